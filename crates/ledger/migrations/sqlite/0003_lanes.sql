-- Over which lane a call went. Records from before have none of this.
--
-- Columns are added at the end of the definition, as `ALTER TABLE ADD COLUMN` does and in the way that SQLite describes
-- for changes that leave the rows as they are: of a strict table, that statement would look through all rows again for
-- each of these. Were the definition not found, the index could not be made and all would be undone.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = substr(sql, 1, length(sql) - length(') STRICT'))
    || ', lane TEXT, passed TEXT, hedged TEXT, hedge_cost_nanousd INTEGER) STRICT'
WHERE type = 'table' AND name = 'paceline_entry' AND sql LIKE '%) STRICT';
PRAGMA writable_schema = RESET;

-- No record is in it yet; making it reads each once.
CREATE INDEX paceline_entry_by_lane ON paceline_entry (lane, ended_at_ms, call_id) WHERE lane IS NOT NULL;
