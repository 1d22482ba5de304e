-- Dates that neither DuckDB's cast nor the usual formats read: names of months and zones, 年月日, numbers of Excel and
-- Unix.
-- A text is brought to one form step by step, taken apart, and put together again as ISO 8601.

-- plausible(x): a TIMESTAMP, or NULL before SEGMENTATION_EARLIEST_DAY or more than a day ahead: such dates stand for
-- "unknown" or are misread.
-- Casts that fail, rather than a condition: a macro's argument is computed wherever it occurs, so it occurs once.
CREATE OR REPLACE TEMP MACRO plausible(x) AS
    make_timestamp(CAST(getvariable('earliest_us') + CAST(TRY_CAST(
        getvariable('latest_us') - getvariable('earliest_us')
        - CAST(TRY_CAST(getvariable('latest_us') - CAST(epoch_us(x) AS HUGEINT) AS UBIGINT) AS HUGEINT)
        AS UBIGINT) AS HUGEINT) AS BIGINT));

-- Times without an offset are the profile's zone's. Of an hour that the clocks have twice, DuckDB takes the second one;
-- one that they leave out counts from before the change, and so is an hour later.
CREATE OR REPLACE TEMP MACRO instant_utc(x) AS make_timestamp(epoch_us(x));
CREATE OR REPLACE TEMP MACRO local_utc(x) AS CASE
    WHEN getvariable('profile_timezone') = 'UTC' THEN CAST(x AS TIMESTAMP)
    ELSE instant_utc(timezone(getvariable('profile_timezone'), CAST(x AS TIMESTAMP)))
END;
-- Names of days and months in English, German, French, Spanish, Italian, Dutch and Portuguese, without accents, and
-- their abbreviations.
CREATE OR REPLACE TEMP MACRO is_weekday(x) AS is_listed(x, '||mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun|monday|'
    || 'tuesday|wednesday|thursday|friday|saturday|sunday|mo|di|mi|do|fr|sa|so|montag|dienstag|mittwoch|donnerstag|'
    || 'freitag|samstag|sonnabend|sonntag|lun|mar|mer|jeu|ven|sam|dim|lundi|mardi|mercredi|jeudi|vendredi|samedi|'
    || 'dimanche|mie|jue|vie|sab|dom|lunes|martes|miercoles|jueves|viernes|sabado|domingo|gio|lunedi|martedi|'
    || 'mercoledi|giovedi|venerdi|sabato|domenica|ma|wo|vr|za|zo|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|'
    || 'zondag|seg|ter|qua|qui|sex|segunda|terca|quarta|quinta|sexta|');
CREATE OR REPLACE TEMP MACRO month_number(x) AS looked_up(x, '|jan:01|january:01|januar:01|janner:01|janv:01|'
    || 'janvier:01|ene:01|enero:01|gen:01|genn:01|gennaio:01|januari:01|janeiro:01|feb:02|february:02|februar:02|'
    || 'febr:02|fev:02|fevr:02|fevrier:02|febrero:02|febbr:02|febbraio:02|februari:02|fevereiro:02|mar:03|march:03|'
    || 'marz:03|maerz:03|mrz:03|mars:03|marzo:03|maart:03|mrt:03|marco:03|apr:04|april:04|avr:04|avril:04|abr:04|'
    || 'abril:04|aprile:04|may:05|mai:05|mayo:05|mag:05|magg:05|maggio:05|mei:05|maio:05|jun:06|june:06|juni:06|'
    || 'juin:06|junio:06|giu:06|giugno:06|junho:06|jul:07|july:07|juli:07|juil:07|juillet:07|julio:07|lug:07|luglio:07|'
    || 'julho:07|aug:08|august:08|aout:08|ago:08|agosto:08|augustus:08|sep:09|sept:09|september:09|septembre:09|'
    || 'septiembre:09|setiembre:09|set:09|sett:09|settembre:09|setembro:09|oct:10|october:10|okt:10|oktober:10|'
    || 'octobre:10|octubre:10|ott:10|ottobre:10|out:10|outubro:10|nov:11|november:11|novembre:11|noviembre:11|'
    || 'novembro:11|dec:12|december:12|dez:12|dezember:12|decembre:12|dic:12|diciembre:12|dicembre:12|dezembro:12|');

-- zone_offset(x): the offset that the abbreviation of a zone stands for. Those that mean several zones (CST, IST, AST,
-- …) are not here: such times need `timezone:` and an expression without the abbreviation.
CREATE OR REPLACE TEMP MACRO zone_offset(x) AS looked_up(x, '|z:+00|utc:+00|ut:+00|gmt:+00|wet:+00|west:+01|bst:+01|'
    || 'cet:+01|mez:+01|cest:+02|mesz:+02|eet:+02|eest:+03|msk:+03|sast:+02|pkt:+05|wib:+07|hkt:+08|sgt:+08|awst:+08|'
    || 'jst:+09|kst:+09|aest:+10|aedt:+11|nzst:+12|nzdt:+13|est:-05|edt:-04|cdt:-05|mst:-07|mdt:-06|pst:-08|pdt:-07|'
    || 'akst:-09|akdt:-08|hst:-10|brt:-03|');

CREATE OR REPLACE TEMP MACRO numbered_words(x) AS -- 2021年05月13日 下午1:01 is 2021-05-13 1:01 pm
    regexp_replace(regexp_replace(regexp_replace(regexp_replace(x,
        '([0-9]{4}) ?[年년] ?([0-9]{1,2}) ?[月월] ?([0-9]{1,2}) ?[日号號일]?', '\1-\2-\3 '),
        '([0-9]{1,2}) ?[時时点點시] ?([0-9]{1,2}) ?[分분] ?(?:([0-9]{1,2}) ?[秒초])?', '\1:0\2:0\3'),
        '(?:上午|午前|오전) ?([0-9:]+)', '\1 am'),
        '(?:下午|午後|오후) ?([0-9:]+)', '\1 pm');

CREATE OR REPLACE TEMP MACRO spoken_words(x) AS -- "13 de mayo de 2021 a las 11:01 Uhr", "11:01:12,5"
    regexp_replace(regexp_replace(regexp_replace(x,
        '(:[0-9]{2}|^[0-9]{5}),([0-9])', '\1.\2'),
        '(^|[0-9 ,])(?:uhr|de|del|of|at|um|le|alle|ore|om|klo|a las|as|[aà]) ', '\1 ', 'g'),
        '[, ]+(?:uhr)?', ' ', 'g');

CREATE OR REPLACE TEMP MACRO time_pattern() AS '[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?(?: ?[ap][.]?m[.]?)?';

-- "Thu May 13 11:01:12 UTC 2021" and "07:35:42 Jan 07 2013 PST": the date first, then the time, then the zone.
CREATE OR REPLACE TEMP MACRO date_first(x) AS
    regexp_replace(regexp_replace(x,
        '^([^0-9]+ [0-9]{1,2}) (' || time_pattern() || ') ([a-z]{1,4} |[-+][0-9:]{4,6} )?([0-9]{4})$', '\1 \4 \2 \3'),
        '^(' || time_pattern() || ') (.*[0-9])( [a-z]{2,4})?$', '\2 \1\3');

CREATE OR REPLACE TEMP MACRO date_text(x) AS
    trim(date_first(trim(spoken_words(
        strip_accents(lower(numbered_words(ltrim(trim(in_ascii(x), '" '), '''')))) || ' '))));

-- Of the alternatives one matches, and what belongs to the others is empty.
CREATE OR REPLACE TEMP MACRO date_parts(x) AS regexp_extract(x,
    '^(?:([a-z]{2,10})[.]? )?(?:'
    || '([0-9]{5}|[0-9]{9,10}|[0-9]{12,14}|[0-9]{16}|[0-9]{19})([.][0-9]+)?' -- 44329.5, 1620900072
    || '|([0-9]{4})[-/. ]([0-9]{1,2})[-/. ]([0-9]{1,2})' -- 2021-5-13
    || '|([0-9]{4})([0-9]{2})([0-9]{2})' -- 20210513
    || '|([0-9]{1,2})([-/.]) ?([0-9]{1,2})[-/.] ?([0-9]{4}|[0-9]{2})' -- 13.5.21: which is which is told later
    || '|([0-9]{1,2})(?:st|nd|rd|th|er|[oaº.])?[-/ ]?([a-z]{3,10})[.]?[-/ ]?''?([0-9]{4}|[0-9]{2})' -- 13 May 2021
    || '|([a-z]{3,10})[.]?[-/ ]([0-9]{1,2})(?:st|nd|rd|th)?[-/ ]''?([0-9]{4}|[0-9]{2})' -- May 13 2021
    || '|([0-9]{4})[-/ ]([a-z]{3,10})[.]?[-/ ]([0-9]{1,2})' -- 2021-May-13
    || ')(?:(?: ?t ?|[ :])'
    || '(?:([0-9]{1,2})[:.]([0-9]{2,3})(?:[:.]([0-9]{1,3})([.][0-9]+)?)?|([0-9]{2})([0-9]{2})([0-9]{2})?)'
    || '(?: ?([ap])[.]?m[.]?)?)?'
    || '(?: ?[[]?((?:africa|america|antarctica|asia|atlantic|australia|europe|indian|pacific)/[a-z_/-]+)[]]?'
    || '| ?([a-z]{1,4})?(?: ?([-+])([0-9]{1,2}):?([0-9]{2})?)?(?: ?[(][^)]*[)])?(?: ?[[][a-z_/+-]+[]])?)?$',
    ['weekday', 'number', 'number_fraction', 'year_1', 'month_1', 'day_1', 'year_2', 'month_2', 'day_2', 'a', 'mark',
     'b', 'c', 'day_4', 'name_4', 'year_4', 'name_5', 'day_5', 'year_5', 'year_6', 'name_6', 'day_6',
     'hour', 'minute', 'second', 'fraction', 'compact_hour', 'compact_minute', 'compact_second', 'half',
     'region', 'zone', 'shift', 'shift_hours', 'shift_minutes']);

CREATE OR REPLACE TEMP MACRO full_year(x) AS right('20' || regexp_replace(x, '^(69|[7-9][0-9])$', '19\1'), 4);
CREATE OR REPLACE TEMP MACRO day_of(year, month, day) AS TRY_CAST(year || '-' || month || '-' || day AS DATE);
CREATE OR REPLACE TEMP MACRO named_day(p) AS day_of(
    full_year(p.year_1 || p.year_2 || p.year_4 || p.year_5 || p.year_6),
    p.month_1 || p.month_2 || coalesce(month_number(p.name_4 || p.name_5 || p.name_6), ''),
    p.day_1 || p.day_2 || p.day_4 || p.day_5 || p.day_6);

-- Which of three numbers is the day? What the profile says; without it, the month comes first before slashes and the
-- day before points, and with hyphens the one order counts that gives a plausible day, if there is just one.
CREATE OR REPLACE TEMP MACRO plausible_day(day) AS CAST(plausible(CAST(day AS TIMESTAMP)) AS DATE);
CREATE OR REPLACE TEMP MACRO only_one(days) AS 
    TRY_CAST(regexp_extract(array_to_string(list_distinct(days), '|'), '^[0-9-]+$') AS DATE);
CREATE OR REPLACE TEMP MACRO ordered_day(a, mark, b, c) AS CASE
    WHEN getvariable('profile_dates') = 'year_first'
        THEN CASE WHEN length(c) = 2 AND length(a) = 2 THEN day_of(full_year(a), b, c) END
    WHEN getvariable('profile_dates') = 'day_first' THEN day_of(full_year(c), b, a)
    WHEN getvariable('profile_dates') = 'month_first' THEN day_of(full_year(c), a, b)
    WHEN mark = '/' THEN day_of(full_year(c), a, b)
    WHEN mark = '.' THEN day_of(full_year(c), b, a)
    ELSE only_one([plausible_day(day_of(full_year(c), b, a)), plausible_day(day_of(full_year(c), a, b)),
        CASE WHEN length(c) = 2 AND length(a) = 2 THEN plausible_day(day_of(full_year(a), b, c)) END])
END;

-- Hours of half a day: 12 am is 0, 12 pm is 12, 13 pm is none.
CREATE OR REPLACE TEMP MACRO hour_of(hour, half) AS CASE
    WHEN half = '' THEN hour
    WHEN TRY_CAST(hour AS INTEGER) BETWEEN 1 AND 12
        THEN CAST(TRY_CAST(hour AS INTEGER) % 12 + CASE WHEN half = 'p' THEN 12 ELSE 0 END AS VARCHAR)
END;
CREATE OR REPLACE TEMP MACRO time_of(p) AS
    right('00' || hour_of(p.hour || p.compact_hour, p.half), 2) || ':'
    || right('00' || p.minute || p.compact_minute, 2) || ':'
    || right('00' || p.second || p.compact_second, 2) || p.fraction;

-- How far east of Greenwich a zone is: an offset, also behind UTC or GMT, or an abbreviation.
CREATE OR REPLACE TEMP MACRO zone_minutes(p) AS CASE
    WHEN p.shift = '' THEN 60 * TRY_CAST(zone_offset(p.zone) AS INTEGER)
    WHEN p.zone IN ('', 'utc', 'gmt') THEN (60 * CAST(p.shift_hours AS INTEGER)
        + CAST('0' || p.shift_minutes AS INTEGER)) * CAST(p.shift || '1' AS INTEGER)
END;
-- Numbers, told by their length: Excel's days (5), Unix' seconds (9 or 10), milliseconds (13), microseconds (16) and
-- nanoseconds (19), and yyyymmdd with a time. Excel's are of the profile's zone.
CREATE OR REPLACE TEMP MACRO number_moment(x, fraction) AS CASE length(x)
    WHEN 5 THEN local_utc(TIMESTAMP '1899-12-30'
        + to_milliseconds(CAST(round(CAST(x || fraction AS DOUBLE) * 86400000) AS BIGINT)))
    WHEN 12 THEN local_utc(try_strptime(x, '%Y%m%d%H%M'))
    WHEN 13 THEN make_timestamp(CAST(x AS BIGINT) * 1000)
    WHEN 14 THEN local_utc(try_strptime(x, '%Y%m%d%H%M%S'))
    WHEN 16 THEN make_timestamp(CAST(x AS BIGINT))
    WHEN 19 THEN make_timestamp(TRY_CAST(left(x, 16) AS BIGINT))
    ELSE make_timestamp(CAST(round(CAST(x || fraction AS DOUBLE) * 1000000) AS BIGINT))
END;

CREATE OR REPLACE TEMP MACRO local_time_of(p) AS TRY_CAST(
    CASE WHEN p.a <> '' THEN ordered_day(p.a, p.mark, p.b, p.c) ELSE named_day(p) END || ' ' || time_of(p)
    AS TIMESTAMP);
CREATE OR REPLACE TEMP MACRO moment_of(p) AS CASE
    WHEN p.number <> '' THEN number_moment(p.number, p.number_fraction)
    WHEN NOT is_weekday(p.weekday) THEN NULL
    ELSE let([local_time_of(p)], lambda local: CASE
        WHEN p.region <> '' THEN instant_utc(TRY_CAST(CAST(local[1] AS VARCHAR) || ' ' || p.region AS TIMESTAMPTZ))
        WHEN p.zone || p.shift = '' THEN local_utc(local[1])
        ELSE local[1] - to_minutes(zone_minutes(p))
    END)
END;

-- unusual_moment(x): the TIMESTAMP in UTC that a text stands for that is no usual date; NULL if it can't be read, or
-- only in one of several ways.
CREATE OR REPLACE TEMP MACRO unusual_moment(x) AS CASE WHEN regexp_matches(x, '[0-9０-９]')
    THEN let(date_parts(date_text(x)), lambda p: moment_of(p)) END;
