-- Over which lane a call went. Records from before have none of this.
ALTER TABLE paceline_entry
    ADD COLUMN lane TEXT,
    ADD COLUMN passed TEXT,
    ADD COLUMN hedged TEXT,
    ADD COLUMN hedge_cost_nanousd BIGINT;
CREATE INDEX paceline_entry_by_lane ON paceline_entry (lane, ended_at_ms, call_id) WHERE lane IS NOT NULL;
