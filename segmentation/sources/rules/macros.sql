-- What expressions of a profile may call, beside DuckDB's own functions. Contract columns are cleaned with these by
-- themselves (see contract.py), so a profile needs them only inside larger expressions and for inputs in its rules.
-- The variables earliest_us, latest_us, profile_timezone and profile_decimal are set by the staging area (staging.py):
-- the bounds of plausible times, and what the profile that is being read says.

-- clean_text(x): text without white space around it; NULL if nothing is left.
-- Looking for white space first costs a tenth of trimming all texts, most of which have none.
CREATE OR REPLACE TEMP MACRO ends_in_space(x, s) AS prefix(x, s) OR suffix(x, s);
CREATE OR REPLACE TEMP MACRO is_padded(x) AS
    x = '' OR ends_in_space(x, ' ') OR ends_in_space(x, e'\t') OR ends_in_space(x, e'\n') OR ends_in_space(x, e'\r')
    OR ends_in_space(x, chr(160));
CREATE OR REPLACE TEMP MACRO unpadded(x) AS
    CASE WHEN is_padded(x) THEN nullif(trim(x, e' \t\r\n' || chr(160)), '') ELSE x END;
CREATE OR REPLACE TEMP MACRO clean_text(x) AS unpadded(CAST(x AS VARCHAR));

-- clean_id(x): an identifier as text; the `.0` of identifiers that went through a float ("13085.0") is dropped.
CREATE OR REPLACE TEMP MACRO without_fraction(x) AS
    CASE WHEN suffix(x, '.0') AND regexp_full_match(x, '[0-9]+[.]0') THEN left(x, -2) ELSE x END;
CREATE OR REPLACE TEMP MACRO clean_id
    (x VARCHAR) AS without_fraction(unpadded(x)),
    (x BIGINT) AS CAST(x AS VARCHAR),
    (x UBIGINT) AS CAST(x AS VARCHAR),
    (x HUGEINT) AS CAST(x AS VARCHAR),
    (x DOUBLE) AS CASE
        WHEN NOT isfinite(x) THEN NULL
        WHEN x = trunc(x) AND abs(x) < 9007199254740992 THEN CAST(TRY_CAST(x AS BIGINT) AS VARCHAR)
        ELSE CAST(x AS VARCHAR)
    END;

-- as_number(x): a DOUBLE from text such as "12.5", "1,234.50", "£2.55" (or, where the profile's decimal mark is a
-- comma, "1.234,50"); NULL if it can't be read. A group mark counts only before exactly three digits.
CREATE OR REPLACE TEMP MACRO written_with_point(x) AS
    CASE WHEN regexp_full_match(x, '[+-]?[0-9]{1,3}(,[0-9]{3})+([.][0-9]*)?') THEN replace(x, ',', '') ELSE x END;
CREATE OR REPLACE TEMP MACRO written_with_comma(x) AS
    CASE
        WHEN regexp_full_match(x, '[+-]?[0-9]{1,3}([.][0-9]{3})+(,[0-9]*)?') THEN replace(replace(x, '.', ''), ',', '.')
        WHEN contains(x, '.') THEN NULL
        ELSE replace(x, ',', '.')
    END;
CREATE OR REPLACE TEMP MACRO bare_number(x) AS regexp_replace(x, '[\s\x{a0}€$£¥]', '', 'g');
CREATE OR REPLACE TEMP MACRO as_number
    (x DOUBLE) AS CAST(x AS DOUBLE),
    (x VARCHAR) AS CASE
        WHEN getvariable('profile_decimal') = ',' THEN TRY_CAST(written_with_comma(bare_number(x)) AS DOUBLE)
        ELSE coalesce(TRY_CAST(x AS DOUBLE), TRY_CAST(written_with_point(bare_number(x)) AS DOUBLE))
    END;

-- plausible(x): a TIMESTAMP, or NULL before SEGMENTATION_EARLIEST_DAY or more than a day ahead: such dates stand for
-- "unknown" or are misread.
-- Casts that fail, rather than a condition: a macro's argument is computed wherever it occurs, so it occurs once.
CREATE OR REPLACE TEMP MACRO plausible(x) AS
    make_timestamp(CAST(getvariable('earliest_us') + CAST(TRY_CAST(
        getvariable('latest_us') - getvariable('earliest_us')
        - CAST(TRY_CAST(getvariable('latest_us') - CAST(epoch_us(x) AS HUGEINT) AS UBIGINT) AS HUGEINT)
        AS UBIGINT) AS HUGEINT) AS BIGINT));

-- local_timestamp(x): the TIMESTAMP that a text without offset names: ISO, or the month first and slashes
-- (12/1/2010 8:26), the day first and points (1.12.2010 8:26), 20101201, 1-Dec-2010. For other formats, such as
-- the day first and slashes, use try_strptime(x, '%d/%m/%Y %H:%M').
CREATE OR REPLACE TEMP MACRO local_timestamp(x) AS CASE
    WHEN regexp_matches(x, '^\s*[0-9]{4}[-/]') THEN TRY_CAST(x AS TIMESTAMP)
    WHEN NOT regexp_matches(x, '[0-9]') THEN NULL -- DuckDB would read "infinity" and "epoch" as 1900
    ELSE try_strptime(trim(x), [
        '%m/%d/%y %H:%M', '%m/%d/%Y %H:%M', '%m/%d/%y %H:%M:%S', '%m/%d/%Y %H:%M:%S',
        '%m/%d/%y %I:%M %p', '%m/%d/%Y %I:%M %p', '%m/%d/%y %I:%M:%S %p', '%m/%d/%Y %I:%M:%S %p',
        '%m/%d/%y', '%m/%d/%Y',
        '%d.%m.%y %H:%M', '%d.%m.%Y %H:%M', '%d.%m.%y %H:%M:%S', '%d.%m.%Y %H:%M:%S', '%d.%m.%y', '%d.%m.%Y',
        '%Y%m%d', '%Y%m%d%H%M%S', '%Y%m%dT%H%M%S', '%d-%b-%Y', '%d-%b-%Y %H:%M', '%d-%b-%Y %H:%M:%S'
    ])
END;

-- utc(x): a TIMESTAMP in UTC from a date or time of any type. Without an offset it is read in the profile's zone.
CREATE OR REPLACE TEMP MACRO has_offset(x) AS
    regexp_matches(x, ':[0-9]{2}([.][0-9]+)?\s*([Zz]|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)\s*$');
CREATE OR REPLACE TEMP MACRO instant_utc(x) AS make_timestamp(epoch_us(x));
CREATE OR REPLACE TEMP MACRO local_utc(x) AS CASE
    WHEN getvariable('profile_timezone') = 'UTC' THEN CAST(x AS TIMESTAMP)
    ELSE instant_utc(timezone(getvariable('profile_timezone'), CAST(x AS TIMESTAMP)))
END;
CREATE OR REPLACE TEMP MACRO utc
    (x TIMESTAMP) AS local_utc(x),
    (x DATE) AS local_utc(x),
    (x TIMESTAMPTZ) AS instant_utc(x),
    (x VARCHAR) AS CASE
        WHEN has_offset(x) THEN instant_utc(TRY_CAST(x AS TIMESTAMPTZ))
        ELSE local_utc(local_timestamp(x))
    END;

-- as_timestamp(x): the same moment as a TIMESTAMP WITH TIME ZONE, for use inside expressions, such as
-- as_timestamp(day || ' ' || time).
CREATE OR REPLACE TEMP MACRO as_timestamp
    (x TIMESTAMP) AS timezone('UTC', utc(x)),
    (x DATE) AS timezone('UTC', utc(x)),
    (x TIMESTAMPTZ) AS x,
    (x VARCHAR) AS timezone('UTC', utc(x));
