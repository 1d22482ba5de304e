-- What expressions of a profile may call, beside DuckDB's own functions. Contract columns are cleaned with these by
-- themselves (see contract.py), so a profile needs them only inside larger expressions and for inputs in its rules.
-- The variables earliest_us, latest_us and profile_… are set by the staging area (staging.py): the bounds of plausible
-- times, and what the profile that is being read says. Spellings that are not usual are in the files beside this one.

-- clean_text(x): text without white space around it; NULL if nothing is left, or what surely stands for nothing (NULL).
CREATE OR REPLACE TEMP MACRO unusual_text(x) AS
    let(trimmed(x), lambda t: CASE WHEN NOT is_surely_nothing(t) THEN t END);
CREATE OR REPLACE TEMP MACRO clean_text(x) AS
    CASE WHEN is_padded(CAST(x AS VARCHAR)) OR may_be_nothing(CAST(x AS VARCHAR)) THEN unusual_text(CAST(x AS VARCHAR))
    ELSE CAST(x AS VARCHAR) END;

-- clean_id(x): an identifier as text, NULL if it stands for nothing; the `.0` of identifiers that went through a float
-- ("13085.0") is dropped.
CREATE OR REPLACE TEMP MACRO without_fraction(x) AS regexp_replace(x, '^([0-9]+)[.]0$', '\1');
CREATE OR REPLACE TEMP MACRO clean_id
    (x VARCHAR) AS CASE
        WHEN is_padded(x) OR may_be_nothing(x) OR suffix(x, '.0') THEN something(without_fraction(trimmed(x)))
        ELSE x
    END,
    (x BIGINT) AS CAST(x AS VARCHAR),
    (x UBIGINT) AS CAST(x AS VARCHAR),
    (x HUGEINT) AS CAST(x AS VARCHAR),
    (x DOUBLE) AS CASE
        WHEN NOT isfinite(x) THEN NULL
        WHEN x = trunc(x) AND abs(x) < 9007199254740992 THEN CAST(TRY_CAST(x AS BIGINT) AS VARCHAR)
        ELSE CAST(x AS VARCHAR)
    END;

-- clean_currency(x): a currency's three letters, or whatever else stands for it, in upper case.
CREATE OR REPLACE TEMP MACRO clean_currency(x) AS upper(clean_text(x));

-- as_number(x): a DOUBLE from text such as "12.5", "1,234.50", "£2.55" (or, where the profile's decimal mark is a
-- comma, "1.234,50"); NULL if it can't be read. What is no plain number is in numbers.sql.
CREATE OR REPLACE TEMP MACRO plain_number(x) AS CASE
    WHEN getvariable('profile_decimal') = ','
        THEN CASE WHEN NOT contains(x, '.') THEN TRY_CAST(replace(x, ',', '.') AS DOUBLE) END
    ELSE TRY_CAST(x AS DOUBLE)
END;
CREATE OR REPLACE TEMP MACRO as_number
    (x DOUBLE) AS CAST(x AS DOUBLE),
    (x VARCHAR) AS coalesce(nullif(plain_number(x), CAST('nan' AS DOUBLE)), unusual_number(x));

-- local_timestamp(x): the TIMESTAMP that a text without offset names: ISO, or the month first and slashes
-- (12/1/2010 8:26), the day first and points (1.12.2010 8:26), 20101201, 1-Dec-2010. What these formats don't read is
-- in dates.sql. For still other ones use try_strptime(x, '%d/%m/%Y %Hh%M').
CREATE OR REPLACE TEMP MACRO usual_timestamp(x) AS try_strptime(trim(x), [
    '%m/%d/%y %H:%M', '%m/%d/%Y %H:%M', '%m/%d/%y %H:%M:%S', '%m/%d/%Y %H:%M:%S',
    '%m/%d/%y %I:%M %p', '%m/%d/%Y %I:%M %p', '%m/%d/%y %I:%M:%S %p', '%m/%d/%Y %I:%M:%S %p',
    '%m/%d/%y', '%m/%d/%Y',
    '%d.%m.%y %H:%M', '%d.%m.%Y %H:%M', '%d.%m.%y %H:%M:%S', '%d.%m.%Y %H:%M:%S', '%d.%m.%y', '%d.%m.%Y',
    '%Y%m%d', '%Y%m%d%H%M%S', '%Y%m%dT%H%M%S',
    '%d-%b-%y', '%d-%b-%y %H:%M', '%d-%b-%y %H:%M:%S', '%d-%b-%Y', '%d-%b-%Y %H:%M', '%d-%b-%Y %H:%M:%S'
]);
CREATE OR REPLACE TEMP MACRO day_first_timestamp(x) AS try_strptime(trim(x), [
    '%d/%m/%y %H:%M', '%d/%m/%Y %H:%M', '%d/%m/%y %H:%M:%S', '%d/%m/%Y %H:%M:%S', '%d/%m/%y', '%d/%m/%Y',
    '%d.%m.%y %H:%M', '%d.%m.%Y %H:%M', '%d.%m.%y %H:%M:%S', '%d.%m.%Y %H:%M:%S', '%d.%m.%y', '%d.%m.%Y',
    '%d-%m-%y %H:%M', '%d-%m-%Y %H:%M', '%d-%m-%y %H:%M:%S', '%d-%m-%Y %H:%M:%S', '%d-%m-%y', '%d-%m-%Y'
]);
CREATE OR REPLACE TEMP MACRO local_timestamp(x) AS CASE
    WHEN regexp_matches(x, '^\s*[0-9]{4}[-/]') THEN TRY_CAST(x AS TIMESTAMP)
    WHEN NOT regexp_matches(x, '[0-9]') THEN NULL -- DuckDB would read "infinity" and "epoch" as 1900
    WHEN getvariable('profile_dates') = 'day_first' THEN day_first_timestamp(x)
    WHEN getvariable('profile_dates') = '' THEN usual_timestamp(x)
END;

-- utc(x): a TIMESTAMP in UTC from a date or time of any type. Without an offset it is read in the profile's zone.
-- Most texts are like 2024-05-13 11:01:12, and a cast of them costs a third of looking for an offset first.
CREATE OR REPLACE TEMP MACRO has_offset(x) AS
    regexp_matches(x, ':[0-9]{2}([.][0-9]+)?\s*([Zz]|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)\s*$');
-- DuckDB takes a millisecond to find out that it knows no zone " +0200", so it is never asked: "11:01 +0200" is made
-- "11:01+02:00" before.
CREATE OR REPLACE TEMP MACRO offset_attached(x) AS CASE
    WHEN contains(x, ' +') OR contains(x, ' -') THEN
        regexp_replace(x, '\s+([+-][0-9]{2}):?([0-9]{2})?\s*$', '\1:\2')
    ELSE x
END;
CREATE OR REPLACE TEMP MACRO utc
    (x TIMESTAMP) AS local_utc(x),
    (x DATE) AS local_utc(x),
    (x TIMESTAMPTZ) AS instant_utc(x),
    (x VARCHAR) AS coalesce(CASE
        WHEN x LIKE '____-__-_____:__:__' THEN local_utc(TRY_CAST(x AS TIMESTAMP))
        WHEN has_offset(x) THEN instant_utc(TRY_CAST(offset_attached(x) AS TIMESTAMPTZ))
        ELSE local_utc(local_timestamp(x))
    END, unusual_moment(x));

-- as_timestamp(x): the same moment as a TIMESTAMP WITH TIME ZONE, for use inside expressions, such as
-- as_timestamp(day || ' ' || time).
CREATE OR REPLACE TEMP MACRO as_timestamp
    (x TIMESTAMP) AS timezone('UTC', utc(x)),
    (x DATE) AS timezone('UTC', utc(x)),
    (x TIMESTAMPTZ) AS x,
    (x VARCHAR) AS timezone('UTC', utc(x));
