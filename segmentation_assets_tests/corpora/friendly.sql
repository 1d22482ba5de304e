-- What analysts ask: a comment says what for; a blank line ends a query. None of them may be refused.

-- a table
SELECT * FROM raw.transactions

-- with its database
SELECT COUNT(*) FROM lake.raw.transactions

-- FROM first
FROM raw.transactions LIMIT 5

-- a comment before, a semicolon after
/* how many */ -- lines
SELECT COUNT(*) AS lines FROM raw.transactions;

-- TABLE
TABLE raw.transactions

-- VALUES
VALUES (1, 'a'), (2, 'b')

-- groups, filters and order
SELECT country, SUM(amount) AS revenue, COUNT(DISTINCT customer_id) FILTER (WHERE quantity > 0) AS buyers FROM raw.transactions GROUP BY ALL HAVING SUM(amount) > 0 ORDER BY revenue DESC NULLS LAST

-- grouping sets
SELECT country, channel, GROUPING(country), SUM(amount) FROM raw.transactions GROUP BY ROLLUP (country, channel)

-- CTEs and a join
WITH best AS (SELECT customer_id, SUM(amount) AS revenue FROM raw.transactions GROUP BY 1), all_of_them AS MATERIALIZED (FROM best) SELECT * FROM all_of_them LEFT JOIN raw.transactions USING (customer_id)

-- a recursive CTE
WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5) SELECT * FROM r

-- windows
SELECT customer_id, LAG(ordered_at) OVER w, ROW_NUMBER() OVER w, SUM(amount) OVER (PARTITION BY customer_id ORDER BY ordered_at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM raw.transactions WINDOW w AS (PARTITION BY customer_id ORDER BY ordered_at) QUALIFY ROW_NUMBER() OVER w = 1

-- the newest date of each
SELECT * FROM raw.transactions QUALIFY ordered_at = MAX(ordered_at) OVER ()

-- an as-of join
SELECT * FROM raw.transactions AS a ASOF JOIN (SELECT TIMESTAMP '2020-01-01' AS t) AS b ON a.ordered_at >= b.t

-- a lateral join
SELECT * FROM range(3) AS t(i), LATERAL (SELECT i * 2)

-- set operations
SELECT 1 AS a UNION BY NAME SELECT 2 AS a EXCEPT SELECT 3 INTERSECT SELECT 3

-- PIVOT whose columns come from the data
PIVOT raw.transactions ON country USING SUM(amount) GROUP BY channel

-- with expressions, quoted names, a comment and an order
PIVOT (SELECT country, date_trunc('month', ordered_at) AS "the month", amount FROM raw.transactions WHERE channel IN ('web', 'shop')) -- by month
ON "the month" USING ROUND(SUM(amount), 2) AS revenue, COUNT(*) AS lines GROUP BY country ORDER BY country LIMIT 10;

-- of a CTE, in a subquery
WITH t AS (FROM raw.transactions) SELECT * FROM (PIVOT t ON channel USING COUNT(*) GROUP BY country) WHERE country IS NOT NULL

-- PIVOT with its values listed
PIVOT raw.transactions ON channel IN ('web', 'shop') USING SUM(amount) GROUP BY country

-- in the words of the standard
SELECT * FROM (SELECT channel, country, amount FROM raw.transactions) PIVOT (SUM(amount) FOR channel IN ('web', 'shop') GROUP BY country)

-- UNPIVOT
UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b INTO NAME letter VALUE number

-- UNPIVOT of many
UNPIVOT (SELECT 1 AS a, 2 AS b) ON COLUMNS(*)

-- EXPLAIN
EXPLAIN SELECT * FROM raw.transactions

-- EXPLAIN ANALYZE
EXPLAIN ANALYZE SELECT COUNT(*) FROM raw.transactions

-- EXPLAIN with options
EXPLAIN (FORMAT json) SELECT 1

-- EXPLAIN of a PIVOT
EXPLAIN PIVOT raw.transactions ON channel IN ('web') USING SUM(amount)

-- DESCRIBE
DESCRIBE raw.transactions

-- a view of the lake
SELECT as_of, COUNT(*) FROM features.rfm GROUP BY as_of

-- a view as it was
FROM features.rfm AT (VERSION => 1)

-- DESCRIBE of a view
DESCRIBE features.temporal

-- comments of views
SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'features'

-- DESCRIBE of a query
DESCRIBE SELECT COUNT(*) FROM raw.transactions

-- SUMMARIZE
SUMMARIZE raw.transactions

-- SUMMARIZE of a query
SUMMARIZE SELECT amount FROM raw.transactions

-- SHOW
SHOW TABLES

-- SHOW in a schema
SHOW TABLES FROM raw

-- all tables
SHOW ALL TABLES

-- SHOW of a table
SHOW raw.transactions

-- databases, by name
SHOW DATABASES

-- the columns of a description
SELECT column_name FROM (DESCRIBE raw.transactions)

-- information_schema
SELECT table_schema, table_name FROM information_schema.tables

-- its columns
SELECT * FROM information_schema.columns WHERE table_name = 'transactions'

-- comments
SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'transactions'

-- tables, as a view
SELECT table_name FROM duckdb_tables

-- the catalogue in PostgreSQL's words
SELECT relname FROM pg_catalog.pg_class

-- functions
SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_name LIKE 'list%'

-- snapshots
SELECT snapshot_id, snapshot_time, commit_message FROM ducklake_snapshots('lake') ORDER BY snapshot_id DESC LIMIT 10

-- sizes
SELECT * FROM ducklake_table_info('lake')

-- files
SELECT * FROM ducklake_list_files('lake', 'transactions', schema => 'raw')

-- changes between snapshots
SELECT * FROM ducklake_table_changes('lake', 'raw', 'transactions', 1, 2)

-- the past, by number
SELECT COUNT(*) FROM raw.transactions AT (VERSION => 2)

-- the past, by time
SELECT COUNT(*) FROM raw.transactions AT (TIMESTAMP => now())

-- a view of the lake
FROM main.lines_by_country

-- a macro of the lake
SELECT doubled(21)

-- a macro of the lake that is a table
FROM lines_of('web')

-- lists
SELECT [1, 2, 3][1:2] AS part, list_transform([1, 2], lambda x: x + 1), list_filter([1, 2], lambda x: x > 1), list_reduce([1, 2], lambda a, b: a + b), [x * 2 FOR x IN [1, 2] IF x > 1], list_sort([3, 1]), list_aggregate([1, 2], 'sum')

-- structs and maps
SELECT ({'a': 1, 'b': 'x'}).a, struct_pack(a := 1), struct_extract(row(1, 2), 1), MAP {'k': 1}['k'], map_keys(MAP {'k': 1})

-- JSON
SELECT json_extract_string('{"a": 1}', '$.a'), '{"a": [1]}'::JSON -> 'a' ->> 0, to_json({'a': 1}), json_group_array(i) FROM range(3) AS t(i)

-- JSON, in rows
SELECT * FROM json_each('{"a": 1, "b": 2}')

-- unnest
SELECT UNNEST([1, 2, 3]) AS i, UNNEST({'a': 1, 'b': 2})

-- unnest as a table
SELECT * FROM UNNEST([1, 2]) AS t(i)

-- series
SELECT * FROM generate_series(TIMESTAMP '2024-01-01', TIMESTAMP '2024-03-01', INTERVAL 1 MONTH)

-- range
SELECT SUM(range) FROM range(10)

-- texts
SELECT LOWER('A'), 'a' || 'b', concat_ws(',', 1, 2), 'abc' LIKE 'a%', 'abc' ILIKE 'A%', 'a' SIMILAR TO '[a-c]', 'a' ~ 'b', 'a' NOT LIKE 'b', 'a' GLOB '*', regexp_replace('abc', 'b', 'x'), regexp_extract('a1', '(\d)', 1), substring('abc' FROM 2), trim(BOTH ' ' FROM ' a '), position('b' IN 'abc'), printf('%05.1f', 1.5), format('{}', 1), split_part('a-b', '-', 1), string_split('a,b', ','), levenshtein('a', 'b'), jaro_winkler_similarity('a', 'b'), md5('a'), 'a' COLLATE NOCASE = 'A', overlay_free FROM (SELECT 'x' AS overlay_free)

-- texts that look like functions and files
SELECT 'read_text(''/etc/passwd'')', 'https://example.org/a.csv', country = 'x.csv' FROM raw.transactions

-- columns that are named like functions
SELECT query, read_text.name FROM (SELECT 1 AS query, {'name': 2} AS read_text)

-- methods
SELECT country.lower().upper() FROM raw.transactions

-- numbers
SELECT ROUND(1.25, 1), 7 // 2, 7 % 2, 2 ** 3, ABS(-1), sqrt(2), ln(2), greatest(1, 2), nullif(1, 1), COALESCE(NULL, 1), ifnull(NULL, 1), TRY_CAST('x' AS INTEGER), CAST(1 AS DECIMAL(10, 2)), random() < 2, width FROM (SELECT 1 AS width)

-- dates
SELECT date_trunc('month', ordered_at), EXTRACT(year FROM ordered_at), date_diff('day', ordered_at, now()::TIMESTAMP), ordered_at + INTERVAL 1 DAY, strftime(ordered_at, '%Y-%m'), ordered_at AT TIME ZONE 'Europe/Berlin', current_date, dayname(ordered_at), CAST(age(ordered_at) AS VARCHAR), epoch(ordered_at), time_bucket(INTERVAL 7 DAY, ordered_at), make_date(2024, 1, 1), last_day(ordered_at) FROM raw.transactions

-- aggregates
SELECT AVG(amount), MEDIAN(amount), quantile_cont(amount, [0.25, 0.75]), stddev(amount), corr(amount, quantity), mode(country), arg_max(customer_id, amount), list(country ORDER BY amount), string_agg(country, ','), approx_count_distinct(customer_id), histogram(quantity), any_value(country), bool_or(amount > 0), entropy(country), regr_slope(amount, quantity) FROM raw.transactions

-- a histogram as a table
FROM histogram(raw.transactions, amount)

-- cases
SELECT CASE WHEN amount > 0 THEN 'sale' ELSE 'return' END AS kind, if(amount > 0, 1, 0) FROM raw.transactions

-- columns by pattern
SELECT COLUMNS('.*_id'), * EXCLUDE (amount) REPLACE (upper(country) AS country) FROM raw.transactions

-- samples
SELECT * FROM raw.transactions USING SAMPLE reservoir(2 ROWS) REPEATABLE (42)

-- positional joins
SELECT * FROM range(2) AS a POSITIONAL JOIN range(2) AS b

-- semi and anti joins
SELECT * FROM raw.transactions SEMI JOIN (SELECT 'a' AS country) USING (country) ANTI JOIN (SELECT 'b' AS country) USING (country)

-- subqueries
SELECT * FROM raw.transactions WHERE amount > (SELECT AVG(amount) FROM raw.transactions) AND country IN (SELECT country FROM raw.transactions) AND EXISTS (SELECT 1)

-- letters beyond ASCII
SELECT 'Größe' AS größe, '日本' AS "国"

-- PIVOT with letters beyond ASCII
PIVOT (SELECT 'Größe' AS größe, 1 AS n) ON größe USING SUM(n)

-- test types
SELECT bool, int, double, dec_4_1, "varchar", date, timestamp, struct FROM test_all_types()

-- nothing found
SELECT * FROM raw.transactions WHERE FALSE
