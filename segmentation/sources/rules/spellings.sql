-- How values are spelled in the wild: what stands for nothing, and characters that look like others. What calls this is
-- in macros.sql; numbers and dates have files of their own.
--
-- Here and there: whatever is usual is told by cheap tests, and never meets the costly ones below. DuckDB computes a
-- macro's argument wherever it occurs, so `let` names what is used more than once.
-- Inside it nothing is computed beforehand, not even lists of constants: tables are texts, such as '|est:-05|edt:-04|'.
CREATE OR REPLACE TEMP MACRO let(x, reading) AS list_transform([x], reading)[1];
CREATE OR REPLACE TEMP MACRO looked_up(x, entries) AS
    nullif(split_part(split_part(entries, '|' || x || ':', 2), '|', 1), '');
CREATE OR REPLACE TEMP MACRO is_listed(x, entries) AS contains(entries, '|' || x || '|');

-- White space beside ASCII's: no-break, figure, thin, ideographic and zero-width spaces, and the byte order mark.
CREATE OR REPLACE TEMP MACRO trimmed(x) AS nullif(trim(x,
    e' \t\r\n\x0b\f' || chr(160) || chr(8199) || chr(8201) || chr(8239) || chr(12288) || chr(8203) || chr(65279)), '');

-- Whether there may be white space around a text. All of ASCII's sorts before '!', and the rest behind '~'.
CREATE OR REPLACE TEMP MACRO is_padded(x) AS
    x < '!' OR x > '~' OR suffix(x, ' ') OR suffix(x, e'\t') OR suffix(x, e'\n') OR suffix(x, e'\r')
    OR suffix(x, chr(160)) OR suffix(x, chr(12288)) OR suffix(x, chr(8239));

-- Full-width and typographic characters as the ASCII ones that they stand for; spaces of any kind as plain ones.
CREATE OR REPLACE TEMP MACRO in_ascii(x) AS trim(translate(x,
    '０１２３４５６７８９：／－．，＋（）＄￥￡' || '−–—‐‑' || '’‘ʼ´`＇'
        || chr(9) || chr(160) || chr(8199) || chr(8201) || chr(8239) || chr(12288),
    '0123456789:/-.,+()$¥£' || '-----' || '''''''''''''' || '      '));

-- What databases, spreadsheets and programs write for nothing. A text such as a category may well be called "None" or
-- "NA" (Namibia), so that for texts only the unmistakable ones count. None begins with a usual character.
CREATE OR REPLACE TEMP MACRO may_be_nothing(x) AS
    ascii(x) IN (34, 35, 39, 40, 45, 46, 60, 78, 85, 91, 92, 110, 117, 8211, 8212, 8722)
    OR getvariable('profile_nulls') IS NOT NULL;
CREATE OR REPLACE TEMP MACRO is_surely_nothing(x) AS
    is_listed(lower(x), '|null|\n|(null)|<null>|[null]|nan|-nan|nat|<na>|n/a|#n/a|#n/a n/a|#na|#nv|#null!|#ref!|'
        || '#value!|#name?|#num!|#div/0!|#error!|#bezug!|#wert!|#zahl!|#valeur!|#valor!|""|''''|')
    OR coalesce(list_contains(CAST(getvariable('profile_nulls') AS VARCHAR[]), lower(x)), false);
CREATE OR REPLACE TEMP MACRO is_nothing(x) AS
    is_listed(lower(x), '|none|(none)|<none>|nil|na|n.a.|undefined|-|--|---|.|–|—|−|') OR is_surely_nothing(x);

-- something(x): a text without white space around it; NULL if it is empty or spelled as nothing.
CREATE OR REPLACE TEMP MACRO something(x) AS let(trimmed(x), lambda t: CASE WHEN NOT is_nothing(t) THEN t END);
