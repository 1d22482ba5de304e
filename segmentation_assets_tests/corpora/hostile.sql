-- What queries must not be able to do: a comment says what the statement below it tries; a blank line ends it.
-- {catalog} is the catalogue's file, {data} the lake's data folder, {outside} a folder with secret.csv, .json, .parquet,
-- .txt, .sqlite and .duckdb. A new attack is a new entry; every one must be refused, in `segmentation sql` and wherever
-- else people's SQL runs.

-- attach the lake a second time, writable
ATTACH 'ducklake:sqlite:{catalog}' AS again (DATA_PATH '{data}', OVERRIDE_DATA_PATH true)

-- attach it, and empty a table, in one text
ATTACH 'ducklake:sqlite:{catalog}' AS again (DATA_PATH '{data}', OVERRIDE_DATA_PATH true); DELETE FROM again.raw.transactions

-- attach the catalogue itself
ATTACH '{catalog}' AS catalogue (TYPE sqlite)

-- attach, spelled oddly, after a comment
/* SELECT */ aTtAcH OR REPLACE DATABASE '{outside}/new.duckdb' AS made

-- detach the lake
DETACH lake

-- make another database the default
USE memory

-- write a file
COPY (SELECT 42) TO '{outside}/written.csv'

-- overwrite a data file of the lake
COPY (SELECT 42 AS i) TO '{data}/raw/transactions/overwritten.parquet' (FORMAT parquet)

-- write a file, from a FROM-first query
COPY (FROM raw.transactions) TO '{outside}/written.parquet' (FORMAT parquet)

-- read a file into a table
COPY raw.transactions FROM '{outside}/secret.csv'

-- copy a whole database
COPY FROM DATABASE lake TO memory

-- export everything
EXPORT DATABASE '{outside}/exported'

-- import whatever somebody left there
IMPORT DATABASE '{outside}'

-- delete lines
DELETE FROM raw.transactions

-- delete lines, asking for them back
DELETE FROM raw.transactions RETURNING *

-- change lines
UPDATE raw.transactions SET amount = 0

-- add lines
INSERT INTO raw.transactions SELECT * FROM raw.transactions

-- merge lines
MERGE INTO raw.transactions AS t USING (SELECT 'x' AS line_id) AS n ON t.line_id = n.line_id WHEN MATCHED THEN DELETE

-- truncate a table
TRUNCATE raw.transactions

-- drop a table
DROP TABLE raw.transactions

-- drop a schema
DROP SCHEMA raw CASCADE

-- alter a table
ALTER TABLE raw.transactions ADD COLUMN spy VARCHAR

-- make a table
CREATE TABLE made AS SELECT 1

-- make a temporary table, which fills the disk
CREATE TEMP TABLE made AS SELECT 1 AS i

-- make a table of a PIVOT
CREATE TABLE made AS PIVOT raw.transactions ON country USING SUM(amount)

-- make a view that reads a file
CREATE TEMP VIEW spy AS SELECT * FROM read_text('{outside}/secret.txt')

-- make a macro that reads a file
CREATE TEMP MACRO spy(f) AS TABLE SELECT * FROM read_text(f)

-- replace a function by a macro, so that later queries run it
CREATE OR REPLACE TEMP MACRO lower(x) AS 'replaced'

-- make a type
CREATE TYPE mood AS ENUM ('happy')

-- make a sequence
CREATE SEQUENCE counter

-- make an index
CREATE INDEX spy ON raw.transactions (line_id)

-- put another comment on a table
COMMENT ON TABLE raw.transactions IS 'mine'

-- make a secret that sends the lake's requests elsewhere
CREATE SECRET spy (TYPE s3, KEY_ID 'a', SECRET 'b', ENDPOINT 'localhost:1')

-- drop the secrets
DROP SECRET segmentation_s3

-- install an extension
INSTALL httpfs

-- install from elsewhere
FORCE INSTALL spatial FROM 'http://localhost:1'

-- load an extension of one's own
LOAD '{outside}/evil.duckdb_extension'

-- update extensions
UPDATE EXTENSIONS

-- unlock the settings
SET lock_configuration = false

-- open the files
SET GLOBAL enable_external_access = true

-- let all folders be read
SET allowed_directories = ['/']

-- use up the memory
SET memory_limit = '900GB'

-- write a log of all queries
SET log_query_path = '{outside}/queries.log'

-- reset a setting
RESET ALL

-- set a variable
SET VARIABLE x = (SELECT content FROM read_text('{outside}/secret.txt'))

-- pragmas
PRAGMA enable_profiling = 'json'

-- pragma that writes a file
PRAGMA profiling_output = '{outside}/profile.json'

-- pragma that runs a folder's SQL
PRAGMA import_database('{outside}')

-- pragma that looks harmless
PRAGMA database_list

-- call a function that changes the lake
CALL ducklake_expire_snapshots('lake', older_than => now())

-- call a function that only reads: CALL isn't let through at all
CALL ducklake_snapshots('lake')

-- write down what is in memory
CHECKPOINT

-- force it
FORCE CHECKPOINT lake

-- vacuum
VACUUM

-- analyze
ANALYZE

-- begin a transaction, which holds the catalogue
BEGIN TRANSACTION

-- end one
COMMIT

-- take one back
ROLLBACK

-- prepare a statement
PREPARE spy AS SELECT * FROM read_text($1)

-- execute it
EXECUTE spy('{outside}/secret.txt')

-- throw it away
DEALLOCATE spy

-- several statements
SELECT 1; SELECT 2

-- several statements, the second hidden behind a comment
SELECT 1 /* ; */ ; -- ;
DELETE FROM raw.transactions

-- EXPLAIN ANALYZE runs what it explains
EXPLAIN ANALYZE DELETE FROM raw.transactions

-- with its options in brackets
EXPLAIN (ANALYZE, FORMAT json) INSERT INTO raw.transactions SELECT * FROM raw.transactions

-- EXPLAIN of something that writes, even if it isn't run
EXPLAIN DROP TABLE raw.transactions

-- EXPLAIN with a comment inside
EXPLAIN /* ANALYZE */ ANALYZE COPY (SELECT 42) TO '{outside}/written.csv'

-- EXPLAIN of a query that reads a file
EXPLAIN ANALYZE SELECT * FROM read_text('{outside}/secret.txt')

-- several statements behind EXPLAIN
EXPLAIN SELECT 1; DELETE FROM raw.transactions

-- read a text file
SELECT * FROM read_text('{outside}/secret.txt')

-- read the password file
SELECT content FROM read_text('/etc/passwd')

-- read the environment of this process
SELECT content FROM read_blob('/proc/self/environ')

-- read a text file, FROM first, with the name of the function quoted and its schema told
FROM system.main."READ_TEXT"('{outside}/secret.txt')

-- read a file through a replacement scan
SELECT * FROM '{outside}/secret.csv'

-- with double quotes
SELECT * FROM "{outside}/secret.parquet"

-- without any, by schema and table
SELECT * FROM secret.csv

-- with a pattern
FROM '{outside}/*.json'

-- from the network
FROM 'https://localhost:1/secret.parquet'

-- from a bucket
FROM 's3://bucket/secret.parquet'

-- a database file
FROM '{outside}/secret.duckdb'

-- read a CSV file
SELECT * FROM read_csv('{outside}/secret.csv')

-- let DuckDB guess
SELECT * FROM read_csv_auto(['{outside}/secret.csv'])

-- look at its dialect
SELECT * FROM sniff_csv('{outside}/secret.csv')

-- read JSON
SELECT * FROM read_json_auto('{outside}/secret.json')

-- read JSON, line by line
SELECT * FROM read_ndjson_objects('{outside}/secret.json')

-- read Parquet
SELECT * FROM parquet_scan('{outside}/secret.parquet')

-- read a data file of the lake, whose lines may have been deleted since
SELECT * FROM read_parquet('{data}/**/*.parquet')

-- read what a Parquet file is about
SELECT * FROM parquet_metadata('{outside}/secret.parquet')

-- its own metadata
SELECT * FROM parquet_kv_metadata('{outside}/secret.parquet')

-- list files
SELECT * FROM glob('{outside}/*')

-- read a DuckDB file
SELECT * FROM read_duckdb('{outside}/secret.duckdb', table_name => 't')

-- read an SQLite file: the scanner opens it past DuckDB's file system
SELECT * FROM sqlite_scan('{outside}/secret.sqlite', 't')

-- read the catalogue's file the same way
SELECT * FROM sqlite_scan('{catalog}', 'ducklake_data_file')

-- attach one by a function
SELECT * FROM sqlite_attach('{outside}/secret.sqlite')

-- send SQL to the catalogue
SELECT * FROM sqlite_query('__ducklake_metadata_lake', 'DELETE FROM ducklake_data_file')

-- PostgreSQL's way of it
SELECT * FROM postgres_query('__ducklake_metadata_lake', 'SELECT pg_read_file(''/etc/passwd'')')

-- and one that writes
SELECT * FROM postgres_execute('__ducklake_metadata_lake', 'DROP TABLE ducklake_snapshot')

-- scan another PostgreSQL
SELECT * FROM postgres_scan('host=localhost port=1', 'public', 't')

-- the catalogue's tables, past DuckLake
SELECT * FROM __ducklake_metadata_lake.ducklake_data_file

-- with all parts of the name, quoted, in other letters
SELECT * FROM "__DuckLake_Metadata_Lake"."main"."ducklake_metadata"

-- describe one
DESCRIBE __ducklake_metadata_lake.ducklake_metadata

-- summarize one
SUMMARIZE __ducklake_metadata_lake.ducklake_snapshot

-- SQL in a text
SELECT * FROM query('SELECT * FROM read_text(''{outside}/secret.txt'')')

-- a table's name in a text, which may be a file's
SELECT * FROM query_table('{outside}/secret.csv')

-- a tree of SQL
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT content FROM read_text(''{outside}/secret.txt'')'))

-- the plan of SQL, for which its files are opened
SELECT json_serialize_plan('SELECT * FROM read_csv(''{outside}/secret.csv'')')

-- expire all snapshots
SELECT * FROM ducklake_expire_snapshots('lake', older_than => now())

-- delete files
SELECT * FROM ducklake_cleanup_old_files('lake', cleanup_all => true)

-- delete files that the catalogue doesn't know
SELECT * FROM ducklake_delete_orphaned_files('lake', cleanup_all => true)

-- hand the lake a foreign file
SELECT * FROM ducklake_add_data_files('lake', 'transactions', '{outside}/secret.parquet', schema => 'raw')

-- merge its files
SELECT * FROM ducklake_merge_adjacent_files('lake')

-- rewrite them
SELECT * FROM ducklake_rewrite_data_files('lake')

-- flush inlined lines
SELECT * FROM ducklake_flush_inlined_data('lake')

-- change an option of the lake
SELECT * FROM ducklake_set_option('lake', 'parquet_compression', 'zstd')

-- change a commit's message
SELECT * FROM ducklake_set_commit_message('lake', 'me', 'mine')

-- what secrets there are
SELECT * FROM duckdb_secrets()

-- which one an address would use
SELECT * FROM which_secret('s3://bucket/x', 's3')

-- the settings, with paths
SELECT * FROM duckdb_settings()

-- one setting
SELECT current_setting('allowed_directories')

-- settings as a view of PostgreSQL
SELECT * FROM pg_catalog.pg_settings

-- addresses of databases, with passwords in them
SELECT * FROM duckdb_databases()

-- as a view
SELECT path FROM duckdb_databases

-- as a pragma's view
SELECT * FROM pragma_database_list

-- as a pragma's function
SELECT * FROM pragma_database_list()

-- what others asked
SELECT * FROM duckdb_logs()

-- the environment
SELECT getenv('HOME')

-- credentials of the machine
SELECT * FROM load_aws_credentials()

-- write into DuckDB's log
SELECT write_log('x')

-- begin to log into a folder
SELECT * FROM enable_logging('QueryLog', storage => 'file', storage_path => '{outside}')

-- hold a worker up
SELECT sleep_ms(600000)

-- the same by PostgreSQL's name
SELECT pg_sleep(600)

-- read memory at an address
SELECT * FROM arrow_scan(1, 2, 3)

-- read a frame at an address
SELECT * FROM pandas_scan(1)

-- read a variable of the Python that runs the query
SELECT * FROM secret_frame

-- a sequence's next number
SELECT nextval('counter')

-- a function that is hidden as a method
SELECT ('{outside}/secret.txt').read_text()

-- inside a lambda
SELECT list_transform(['x'], lambda f: getenv(f))

-- inside a list comprehension
SELECT [getenv(x) FOR x IN ['HOME']]

-- inside a CTE
WITH spy AS MATERIALIZED (SELECT * FROM read_text('{outside}/secret.txt')) SELECT * FROM spy

-- inside a recursive one
WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r, read_text('{outside}/secret.txt') WHERE i < 2) FROM r

-- inside a subquery of a filter
SELECT 1 WHERE EXISTS (SELECT * FROM read_text('{outside}/secret.txt'))

-- inside a window's order
SELECT ROW_NUMBER() OVER (ORDER BY (SELECT content FROM read_text('{outside}/secret.txt')))

-- inside a HAVING
SELECT COUNT(*) FROM raw.transactions HAVING (SELECT COUNT(*) FROM glob('{outside}/*')) >= 0

-- inside a LIMIT
SELECT 1 LIMIT (SELECT COUNT(*) FROM glob('{outside}/*'))

-- inside a join's condition
SELECT 1 FROM range(2) AS a JOIN range(2) AS b ON (SELECT COUNT(*) FROM glob('{outside}/*')) > 0

-- inside a lateral join
SELECT * FROM (SELECT '{outside}/secret.txt' AS f) AS t, LATERAL (SELECT * FROM read_text(f))

-- inside a set operation
SELECT 'x' UNION ALL SELECT content FROM read_text('{outside}/secret.txt')

-- inside VALUES
VALUES ((SELECT content FROM read_text('{outside}/secret.txt')))

-- inside a time to travel to
SELECT * FROM raw.transactions AT (TIMESTAMP => (SELECT content FROM read_text('{outside}/secret.txt')))

-- inside a sample
SELECT * FROM read_csv('{outside}/secret.csv') USING SAMPLE 1

-- inside a named argument
SELECT struct_pack(a := getenv('HOME'))

-- inside an aggregate's filter
SELECT COUNT(*) FILTER (WHERE getenv('HOME') IS NOT NULL) FROM raw.transactions

-- inside DESCRIBE
DESCRIBE SELECT * FROM read_csv('{outside}/secret.csv')

-- DESCRIBE of a file
DESCRIBE '{outside}/secret.csv'

-- SUMMARIZE of a file
SUMMARIZE '{outside}/secret.parquet'

-- SUMMARIZE of a query
SUMMARIZE SELECT * FROM read_text('{outside}/secret.txt')

-- SHOW of a file
SHOW "{outside}/secret.csv"

-- SHOW in a FROM
SELECT * FROM (DESCRIBE '{outside}/secret.csv')

-- TABLE of a file
TABLE '{outside}/secret.csv'

-- UNPIVOT of a file
UNPIVOT '{outside}/secret.csv' ON COLUMNS(*)

-- PIVOT with a list of values, of a file
PIVOT '{outside}/secret.csv' ON a IN ('1') USING COUNT(*)

-- PIVOT without one, of a file
PIVOT '{outside}/secret.csv' ON a

-- of a function
PIVOT (SELECT * FROM read_csv('{outside}/secret.csv')) ON a USING COUNT(*)

-- of a function behind a comment
PIVOT (SELECT * FROM read_text /* x */ ('{outside}/secret.txt')) ON content

-- of a quoted function behind a line's comment
PIVOT (SELECT * FROM "Read_Text" -- (
('{outside}/secret.txt')) ON content

-- of a file joined by a comma
PIVOT (SELECT a.* FROM range(3) AS a, '{outside}/secret.csv') ON range

-- of the catalogue's tables
PIVOT __ducklake_metadata_lake.ducklake_metadata ON key USING FIRST(value)

-- of settings
PIVOT duckdb_settings() ON name USING FIRST(value)

-- with a function in its aggregates
PIVOT raw.transactions ON country USING FIRST(getenv('HOME'))

-- with a second statement behind it
PIVOT raw.transactions ON country USING SUM(amount); DELETE FROM raw.transactions

-- with a function hidden between texts that only some readers take for texts
PIVOT (SELECT E'\'', content FROM read_text('{outside}/secret.txt')) ON content

-- between dollars
PIVOT (SELECT $$'$$, content FROM read_text('{outside}/secret.txt')) ON content

-- behind a comment in a comment
PIVOT (SELECT /* /* */ ' */ content FROM read_text('{outside}/secret.txt')) ON content

-- with a name in escapes
PIVOT (FROM U&"\0072ead_text"('{outside}/secret.txt')) ON content

-- with spaces that aren't ASCII
PIVOT (FROM read_text​('{outside}/secret.txt')) ON content

-- in a subquery
SELECT * FROM (PIVOT (FROM read_text('{outside}/secret.txt')) ON content)

-- written into a file
COPY (PIVOT raw.transactions ON country USING SUM(amount)) TO '{outside}/written.csv'

-- spaces that aren't ASCII
SELECT * FROM read_text('{outside}/secret.txt')

-- letters that look alike, which are no function
SELECT * FROM reаd_text('{outside}/secret.txt')

-- a function of an extension that isn't loaded
SELECT * FROM read_xlsx('{outside}/secret.xlsx')

-- another one
SELECT * FROM st_read('{outside}/secret.shp')

-- parameters
SELECT * FROM read_text($1)

-- a semicolon first
; DELETE FROM raw.transactions

-- SELECT INTO
SELECT * INTO made FROM raw.transactions

-- a CTE that writes
WITH gone AS (DELETE FROM raw.transactions RETURNING *) SELECT * FROM gone

-- a CTE before a statement that writes
WITH t AS (SELECT 1) INSERT INTO raw.transactions (line_id) SELECT * FROM t

-- a CTE before DELETE
WITH t AS (SELECT 'x' AS line_id) DELETE FROM raw.transactions USING t
