-- Sums in several grains: the coarser ones tell fewer dimensions apart, so that a question reads few rows.
-- 0: all calls; 1: by model, provider, route and outcome; 2: by tenant; 3: by tenant and key;
-- 4: by all of these; 5: by tag; 6: by tag and all of these; 7: by tenant, and as 1; 8: by tag, and as 1.
--
-- The id of a series of grains 4 and 6 is a hash of its names; of the others, the grain's number and the
-- names that it tells apart, with U+001F between (no name has one); those it does not are empty, or 0.
ALTER TABLE paceline_series ADD COLUMN grain INTEGER NOT NULL DEFAULT 4;
UPDATE paceline_series SET grain = 6 WHERE tag <> '';

-- As `paceline_rollup` was; under a new name, so that no process of the version before writes on.
CREATE TABLE paceline_sum (
    grain INTEGER NOT NULL,
    period INTEGER NOT NULL,
    bucket_ms INTEGER NOT NULL,
    series BLOB NOT NULL,
    calls INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    audio_in_tokens INTEGER NOT NULL,
    audio_out_tokens INTEGER NOT NULL,
    image_in_tokens INTEGER NOT NULL,
    image_out_tokens INTEGER NOT NULL,
    images INTEGER NOT NULL,
    audio_ms INTEGER NOT NULL,
    cost_nanousd INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    estimated_calls INTEGER NOT NULL,
    estimate_tokens INTEGER NOT NULL,
    estimated_input_tokens INTEGER NOT NULL,
    estimate_error_tokens INTEGER NOT NULL,
    estimate_within_5 INTEGER NOT NULL,
    estimate_within_20 INTEGER NOT NULL,
    charge_tokens INTEGER NOT NULL,
    wait_ms INTEGER NOT NULL,
    waited INTEGER NOT NULL,
    limited INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    first_byte_ms INTEGER NOT NULL,
    first_bytes INTEGER NOT NULL,
    max_input_tokens INTEGER NOT NULL,
    max_wait_ms INTEGER NOT NULL,
    max_duration_ms INTEGER NOT NULL,
    wait_slot_0 INTEGER NOT NULL,
    wait_slot_1 INTEGER NOT NULL,
    wait_slot_2 INTEGER NOT NULL,
    wait_slot_3 INTEGER NOT NULL,
    wait_slot_4 INTEGER NOT NULL,
    wait_slot_5 INTEGER NOT NULL,
    wait_slot_6 INTEGER NOT NULL,
    wait_slot_7 INTEGER NOT NULL,
    wait_slot_8 INTEGER NOT NULL,
    wait_slot_9 INTEGER NOT NULL,
    wait_slot_10 INTEGER NOT NULL,
    wait_slot_11 INTEGER NOT NULL,
    wait_slot_12 INTEGER NOT NULL,
    wait_slot_13 INTEGER NOT NULL,
    wait_slot_14 INTEGER NOT NULL,
    wait_slot_15 INTEGER NOT NULL,
    wait_slot_16 INTEGER NOT NULL,
    wait_slot_17 INTEGER NOT NULL,
    wait_slot_18 INTEGER NOT NULL,
    wait_slot_19 INTEGER NOT NULL,
    first_byte_slot_0 INTEGER NOT NULL,
    first_byte_slot_1 INTEGER NOT NULL,
    first_byte_slot_2 INTEGER NOT NULL,
    first_byte_slot_3 INTEGER NOT NULL,
    first_byte_slot_4 INTEGER NOT NULL,
    first_byte_slot_5 INTEGER NOT NULL,
    first_byte_slot_6 INTEGER NOT NULL,
    first_byte_slot_7 INTEGER NOT NULL,
    first_byte_slot_8 INTEGER NOT NULL,
    first_byte_slot_9 INTEGER NOT NULL,
    first_byte_slot_10 INTEGER NOT NULL,
    first_byte_slot_11 INTEGER NOT NULL,
    first_byte_slot_12 INTEGER NOT NULL,
    first_byte_slot_13 INTEGER NOT NULL,
    first_byte_slot_14 INTEGER NOT NULL,
    first_byte_slot_15 INTEGER NOT NULL,
    first_byte_slot_16 INTEGER NOT NULL,
    first_byte_slot_17 INTEGER NOT NULL,
    first_byte_slot_18 INTEGER NOT NULL,
    first_byte_slot_19 INTEGER NOT NULL,
    duration_slot_0 INTEGER NOT NULL,
    duration_slot_1 INTEGER NOT NULL,
    duration_slot_2 INTEGER NOT NULL,
    duration_slot_3 INTEGER NOT NULL,
    duration_slot_4 INTEGER NOT NULL,
    duration_slot_5 INTEGER NOT NULL,
    duration_slot_6 INTEGER NOT NULL,
    duration_slot_7 INTEGER NOT NULL,
    duration_slot_8 INTEGER NOT NULL,
    duration_slot_9 INTEGER NOT NULL,
    duration_slot_10 INTEGER NOT NULL,
    duration_slot_11 INTEGER NOT NULL,
    duration_slot_12 INTEGER NOT NULL,
    duration_slot_13 INTEGER NOT NULL,
    duration_slot_14 INTEGER NOT NULL,
    duration_slot_15 INTEGER NOT NULL,
    duration_slot_16 INTEGER NOT NULL,
    duration_slot_17 INTEGER NOT NULL,
    duration_slot_18 INTEGER NOT NULL,
    duration_slot_19 INTEGER NOT NULL,
    PRIMARY KEY (grain, period, bucket_ms, series)
) STRICT, WITHOUT ROWID;

INSERT INTO paceline_sum (grain, period, bucket_ms, series,
    calls, sent, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_in_tokens,
    audio_out_tokens, image_in_tokens, image_out_tokens, images, audio_ms, cost_nanousd, unpriced, estimated_calls,
    estimate_tokens, estimated_input_tokens, estimate_error_tokens, estimate_within_5, estimate_within_20,
    charge_tokens, wait_ms, waited, limited, retries, duration_ms, first_byte_ms, first_bytes, max_input_tokens,
    max_wait_ms, max_duration_ms, wait_slot_0, wait_slot_1, wait_slot_2, wait_slot_3, wait_slot_4, wait_slot_5,
    wait_slot_6, wait_slot_7, wait_slot_8, wait_slot_9, wait_slot_10, wait_slot_11, wait_slot_12, wait_slot_13,
    wait_slot_14, wait_slot_15, wait_slot_16, wait_slot_17, wait_slot_18, wait_slot_19, first_byte_slot_0,
    first_byte_slot_1, first_byte_slot_2, first_byte_slot_3, first_byte_slot_4, first_byte_slot_5, first_byte_slot_6,
    first_byte_slot_7, first_byte_slot_8, first_byte_slot_9, first_byte_slot_10, first_byte_slot_11,
    first_byte_slot_12, first_byte_slot_13, first_byte_slot_14, first_byte_slot_15, first_byte_slot_16,
    first_byte_slot_17, first_byte_slot_18, first_byte_slot_19, duration_slot_0, duration_slot_1, duration_slot_2,
    duration_slot_3, duration_slot_4, duration_slot_5, duration_slot_6, duration_slot_7, duration_slot_8,
    duration_slot_9, duration_slot_10, duration_slot_11, duration_slot_12, duration_slot_13, duration_slot_14,
    duration_slot_15, duration_slot_16, duration_slot_17, duration_slot_18, duration_slot_19)
SELECT 4, r.period, r.bucket_ms, r.series,
    r.calls, r.sent, r.input_tokens, r.cached_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens,
    r.audio_in_tokens, r.audio_out_tokens, r.image_in_tokens, r.image_out_tokens, r.images, r.audio_ms,
    r.cost_nanousd, r.unpriced, r.estimated_calls, r.estimate_tokens, r.estimated_input_tokens,
    r.estimate_error_tokens, r.estimate_within_5, r.estimate_within_20, r.charge_tokens, r.wait_ms, r.waited,
    r.limited, r.retries, r.duration_ms, r.first_byte_ms, r.first_bytes, r.max_input_tokens, r.max_wait_ms,
    r.max_duration_ms, r.wait_slot_0, r.wait_slot_1, r.wait_slot_2, r.wait_slot_3, r.wait_slot_4, r.wait_slot_5,
    r.wait_slot_6, r.wait_slot_7, r.wait_slot_8, r.wait_slot_9, r.wait_slot_10, r.wait_slot_11, r.wait_slot_12,
    r.wait_slot_13, r.wait_slot_14, r.wait_slot_15, r.wait_slot_16, r.wait_slot_17, r.wait_slot_18, r.wait_slot_19,
    r.first_byte_slot_0, r.first_byte_slot_1, r.first_byte_slot_2, r.first_byte_slot_3, r.first_byte_slot_4,
    r.first_byte_slot_5, r.first_byte_slot_6, r.first_byte_slot_7, r.first_byte_slot_8, r.first_byte_slot_9,
    r.first_byte_slot_10, r.first_byte_slot_11, r.first_byte_slot_12, r.first_byte_slot_13, r.first_byte_slot_14,
    r.first_byte_slot_15, r.first_byte_slot_16, r.first_byte_slot_17, r.first_byte_slot_18, r.first_byte_slot_19,
    r.duration_slot_0, r.duration_slot_1, r.duration_slot_2, r.duration_slot_3, r.duration_slot_4, r.duration_slot_5,
    r.duration_slot_6, r.duration_slot_7, r.duration_slot_8, r.duration_slot_9, r.duration_slot_10,
    r.duration_slot_11, r.duration_slot_12, r.duration_slot_13, r.duration_slot_14, r.duration_slot_15,
    r.duration_slot_16, r.duration_slot_17, r.duration_slot_18, r.duration_slot_19
FROM paceline_rollup r CROSS JOIN paceline_series s
WHERE s.series = r.series AND s.tag = ''
ORDER BY r.period, r.bucket_ms, r.series;

INSERT INTO paceline_sum (grain, period, bucket_ms, series,
    calls, sent, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_in_tokens,
    audio_out_tokens, image_in_tokens, image_out_tokens, images, audio_ms, cost_nanousd, unpriced, estimated_calls,
    estimate_tokens, estimated_input_tokens, estimate_error_tokens, estimate_within_5, estimate_within_20,
    charge_tokens, wait_ms, waited, limited, retries, duration_ms, first_byte_ms, first_bytes, max_input_tokens,
    max_wait_ms, max_duration_ms, wait_slot_0, wait_slot_1, wait_slot_2, wait_slot_3, wait_slot_4, wait_slot_5,
    wait_slot_6, wait_slot_7, wait_slot_8, wait_slot_9, wait_slot_10, wait_slot_11, wait_slot_12, wait_slot_13,
    wait_slot_14, wait_slot_15, wait_slot_16, wait_slot_17, wait_slot_18, wait_slot_19, first_byte_slot_0,
    first_byte_slot_1, first_byte_slot_2, first_byte_slot_3, first_byte_slot_4, first_byte_slot_5, first_byte_slot_6,
    first_byte_slot_7, first_byte_slot_8, first_byte_slot_9, first_byte_slot_10, first_byte_slot_11,
    first_byte_slot_12, first_byte_slot_13, first_byte_slot_14, first_byte_slot_15, first_byte_slot_16,
    first_byte_slot_17, first_byte_slot_18, first_byte_slot_19, duration_slot_0, duration_slot_1, duration_slot_2,
    duration_slot_3, duration_slot_4, duration_slot_5, duration_slot_6, duration_slot_7, duration_slot_8,
    duration_slot_9, duration_slot_10, duration_slot_11, duration_slot_12, duration_slot_13, duration_slot_14,
    duration_slot_15, duration_slot_16, duration_slot_17, duration_slot_18, duration_slot_19)
SELECT 6, r.period, r.bucket_ms, r.series,
    r.calls, r.sent, r.input_tokens, r.cached_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens,
    r.audio_in_tokens, r.audio_out_tokens, r.image_in_tokens, r.image_out_tokens, r.images, r.audio_ms,
    r.cost_nanousd, r.unpriced, r.estimated_calls, r.estimate_tokens, r.estimated_input_tokens,
    r.estimate_error_tokens, r.estimate_within_5, r.estimate_within_20, r.charge_tokens, r.wait_ms, r.waited,
    r.limited, r.retries, r.duration_ms, r.first_byte_ms, r.first_bytes, r.max_input_tokens, r.max_wait_ms,
    r.max_duration_ms, r.wait_slot_0, r.wait_slot_1, r.wait_slot_2, r.wait_slot_3, r.wait_slot_4, r.wait_slot_5,
    r.wait_slot_6, r.wait_slot_7, r.wait_slot_8, r.wait_slot_9, r.wait_slot_10, r.wait_slot_11, r.wait_slot_12,
    r.wait_slot_13, r.wait_slot_14, r.wait_slot_15, r.wait_slot_16, r.wait_slot_17, r.wait_slot_18, r.wait_slot_19,
    r.first_byte_slot_0, r.first_byte_slot_1, r.first_byte_slot_2, r.first_byte_slot_3, r.first_byte_slot_4,
    r.first_byte_slot_5, r.first_byte_slot_6, r.first_byte_slot_7, r.first_byte_slot_8, r.first_byte_slot_9,
    r.first_byte_slot_10, r.first_byte_slot_11, r.first_byte_slot_12, r.first_byte_slot_13, r.first_byte_slot_14,
    r.first_byte_slot_15, r.first_byte_slot_16, r.first_byte_slot_17, r.first_byte_slot_18, r.first_byte_slot_19,
    r.duration_slot_0, r.duration_slot_1, r.duration_slot_2, r.duration_slot_3, r.duration_slot_4, r.duration_slot_5,
    r.duration_slot_6, r.duration_slot_7, r.duration_slot_8, r.duration_slot_9, r.duration_slot_10,
    r.duration_slot_11, r.duration_slot_12, r.duration_slot_13, r.duration_slot_14, r.duration_slot_15,
    r.duration_slot_16, r.duration_slot_17, r.duration_slot_18, r.duration_slot_19
FROM paceline_rollup r CROSS JOIN paceline_series s
WHERE s.series = r.series AND s.tag <> ''
ORDER BY r.period, r.bucket_ms, r.series;

DROP TABLE paceline_rollup;

INSERT INTO paceline_series (series, grain, tag, tenant, key_id, model, provider, route, outcome, latest_ms)
SELECT CAST('7' || char(31) || s.tenant || char(31) || s.model || char(31) || s.provider || char(31) || s.route || char(31) || s.outcome AS BLOB), 7, '', s.tenant, '', s.model, s.provider, s.route, s.outcome, max(s.latest_ms)
FROM paceline_series s WHERE s.grain = 4
GROUP BY s.tenant, s.model, s.provider, s.route, s.outcome;
INSERT INTO paceline_sum (grain, period, bucket_ms, series,
    calls, sent, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_in_tokens,
    audio_out_tokens, image_in_tokens, image_out_tokens, images, audio_ms, cost_nanousd, unpriced, estimated_calls,
    estimate_tokens, estimated_input_tokens, estimate_error_tokens, estimate_within_5, estimate_within_20,
    charge_tokens, wait_ms, waited, limited, retries, duration_ms, first_byte_ms, first_bytes, max_input_tokens,
    max_wait_ms, max_duration_ms, wait_slot_0, wait_slot_1, wait_slot_2, wait_slot_3, wait_slot_4, wait_slot_5,
    wait_slot_6, wait_slot_7, wait_slot_8, wait_slot_9, wait_slot_10, wait_slot_11, wait_slot_12, wait_slot_13,
    wait_slot_14, wait_slot_15, wait_slot_16, wait_slot_17, wait_slot_18, wait_slot_19, first_byte_slot_0,
    first_byte_slot_1, first_byte_slot_2, first_byte_slot_3, first_byte_slot_4, first_byte_slot_5, first_byte_slot_6,
    first_byte_slot_7, first_byte_slot_8, first_byte_slot_9, first_byte_slot_10, first_byte_slot_11,
    first_byte_slot_12, first_byte_slot_13, first_byte_slot_14, first_byte_slot_15, first_byte_slot_16,
    first_byte_slot_17, first_byte_slot_18, first_byte_slot_19, duration_slot_0, duration_slot_1, duration_slot_2,
    duration_slot_3, duration_slot_4, duration_slot_5, duration_slot_6, duration_slot_7, duration_slot_8,
    duration_slot_9, duration_slot_10, duration_slot_11, duration_slot_12, duration_slot_13, duration_slot_14,
    duration_slot_15, duration_slot_16, duration_slot_17, duration_slot_18, duration_slot_19)
SELECT 7, r.period, r.bucket_ms, CAST('7' || char(31) || s.tenant || char(31) || s.model || char(31) || s.provider || char(31) || s.route || char(31) || s.outcome AS BLOB),
    sum(r.calls), sum(r.sent), sum(r.input_tokens), sum(r.cached_tokens), sum(r.cache_write_tokens),
    sum(r.output_tokens), sum(r.reasoning_tokens), sum(r.audio_in_tokens), sum(r.audio_out_tokens),
    sum(r.image_in_tokens), sum(r.image_out_tokens), sum(r.images), sum(r.audio_ms), sum(r.cost_nanousd),
    sum(r.unpriced), sum(r.estimated_calls), sum(r.estimate_tokens), sum(r.estimated_input_tokens),
    sum(r.estimate_error_tokens), sum(r.estimate_within_5), sum(r.estimate_within_20), sum(r.charge_tokens),
    sum(r.wait_ms), sum(r.waited), sum(r.limited), sum(r.retries), sum(r.duration_ms), sum(r.first_byte_ms),
    sum(r.first_bytes), max(r.max_input_tokens), max(r.max_wait_ms), max(r.max_duration_ms), sum(r.wait_slot_0),
    sum(r.wait_slot_1), sum(r.wait_slot_2), sum(r.wait_slot_3), sum(r.wait_slot_4), sum(r.wait_slot_5),
    sum(r.wait_slot_6), sum(r.wait_slot_7), sum(r.wait_slot_8), sum(r.wait_slot_9), sum(r.wait_slot_10),
    sum(r.wait_slot_11), sum(r.wait_slot_12), sum(r.wait_slot_13), sum(r.wait_slot_14), sum(r.wait_slot_15),
    sum(r.wait_slot_16), sum(r.wait_slot_17), sum(r.wait_slot_18), sum(r.wait_slot_19), sum(r.first_byte_slot_0),
    sum(r.first_byte_slot_1), sum(r.first_byte_slot_2), sum(r.first_byte_slot_3), sum(r.first_byte_slot_4),
    sum(r.first_byte_slot_5), sum(r.first_byte_slot_6), sum(r.first_byte_slot_7), sum(r.first_byte_slot_8),
    sum(r.first_byte_slot_9), sum(r.first_byte_slot_10), sum(r.first_byte_slot_11), sum(r.first_byte_slot_12),
    sum(r.first_byte_slot_13), sum(r.first_byte_slot_14), sum(r.first_byte_slot_15), sum(r.first_byte_slot_16),
    sum(r.first_byte_slot_17), sum(r.first_byte_slot_18), sum(r.first_byte_slot_19), sum(r.duration_slot_0),
    sum(r.duration_slot_1), sum(r.duration_slot_2), sum(r.duration_slot_3), sum(r.duration_slot_4),
    sum(r.duration_slot_5), sum(r.duration_slot_6), sum(r.duration_slot_7), sum(r.duration_slot_8),
    sum(r.duration_slot_9), sum(r.duration_slot_10), sum(r.duration_slot_11), sum(r.duration_slot_12),
    sum(r.duration_slot_13), sum(r.duration_slot_14), sum(r.duration_slot_15), sum(r.duration_slot_16),
    sum(r.duration_slot_17), sum(r.duration_slot_18), sum(r.duration_slot_19)
FROM paceline_sum r CROSS JOIN paceline_series s
WHERE r.grain = 4 AND s.series = r.series
GROUP BY r.period, r.bucket_ms, s.tenant, s.model, s.provider, s.route, s.outcome;

INSERT INTO paceline_series (series, grain, tag, tenant, key_id, model, provider, route, outcome, latest_ms)
SELECT CAST('1' || char(31) || s.model || char(31) || s.provider || char(31) || s.route || char(31) || s.outcome AS BLOB), 1, '', '', '', s.model, s.provider, s.route, s.outcome, max(s.latest_ms)
FROM paceline_series s WHERE s.grain = 7
GROUP BY s.model, s.provider, s.route, s.outcome;
INSERT INTO paceline_sum (grain, period, bucket_ms, series,
    calls, sent, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_in_tokens,
    audio_out_tokens, image_in_tokens, image_out_tokens, images, audio_ms, cost_nanousd, unpriced, estimated_calls,
    estimate_tokens, estimated_input_tokens, estimate_error_tokens, estimate_within_5, estimate_within_20,
    charge_tokens, wait_ms, waited, limited, retries, duration_ms, first_byte_ms, first_bytes, max_input_tokens,
    max_wait_ms, max_duration_ms, wait_slot_0, wait_slot_1, wait_slot_2, wait_slot_3, wait_slot_4, wait_slot_5,
    wait_slot_6, wait_slot_7, wait_slot_8, wait_slot_9, wait_slot_10, wait_slot_11, wait_slot_12, wait_slot_13,
    wait_slot_14, wait_slot_15, wait_slot_16, wait_slot_17, wait_slot_18, wait_slot_19, first_byte_slot_0,
    first_byte_slot_1, first_byte_slot_2, first_byte_slot_3, first_byte_slot_4, first_byte_slot_5, first_byte_slot_6,
    first_byte_slot_7, first_byte_slot_8, first_byte_slot_9, first_byte_slot_10, first_byte_slot_11,
    first_byte_slot_12, first_byte_slot_13, first_byte_slot_14, first_byte_slot_15, first_byte_slot_16,
    first_byte_slot_17, first_byte_slot_18, first_byte_slot_19, duration_slot_0, duration_slot_1, duration_slot_2,
    duration_slot_3, duration_slot_4, duration_slot_5, duration_slot_6, duration_slot_7, duration_slot_8,
    duration_slot_9, duration_slot_10, duration_slot_11, duration_slot_12, duration_slot_13, duration_slot_14,
    duration_slot_15, duration_slot_16, duration_slot_17, duration_slot_18, duration_slot_19)
SELECT 1, r.period, r.bucket_ms, CAST('1' || char(31) || s.model || char(31) || s.provider || char(31) || s.route || char(31) || s.outcome AS BLOB),
    sum(r.calls), sum(r.sent), sum(r.input_tokens), sum(r.cached_tokens), sum(r.cache_write_tokens),
    sum(r.output_tokens), sum(r.reasoning_tokens), sum(r.audio_in_tokens), sum(r.audio_out_tokens),
    sum(r.image_in_tokens), sum(r.image_out_tokens), sum(r.images), sum(r.audio_ms), sum(r.cost_nanousd),
    sum(r.unpriced), sum(r.estimated_calls), sum(r.estimate_tokens), sum(r.estimated_input_tokens),
    sum(r.estimate_error_tokens), sum(r.estimate_within_5), sum(r.estimate_within_20), sum(r.charge_tokens),
    sum(r.wait_ms), sum(r.waited), sum(r.limited), sum(r.retries), sum(r.duration_ms), sum(r.first_byte_ms),
    sum(r.first_bytes), max(r.max_input_tokens), max(r.max_wait_ms), max(r.max_duration_ms), sum(r.wait_slot_0),
    sum(r.wait_slot_1), sum(r.wait_slot_2), sum(r.wait_slot_3), sum(r.wait_slot_4), sum(r.wait_slot_5),
    sum(r.wait_slot_6), sum(r.wait_slot_7), sum(r.wait_slot_8), sum(r.wait_slot_9), sum(r.wait_slot_10),
    sum(r.wait_slot_11), sum(r.wait_slot_12), sum(r.wait_slot_13), sum(r.wait_slot_14), sum(r.wait_slot_15),
    sum(r.wait_slot_16), sum(r.wait_slot_17), sum(r.wait_slot_18), sum(r.wait_slot_19), sum(r.first_byte_slot_0),
    sum(r.first_byte_slot_1), sum(r.first_byte_slot_2), sum(r.first_byte_slot_3), sum(r.first_byte_slot_4),
    sum(r.first_byte_slot_5), sum(r.first_byte_slot_6), sum(r.first_byte_slot_7), sum(r.first_byte_slot_8),
    sum(r.first_byte_slot_9), sum(r.first_byte_slot_10), sum(r.first_byte_slot_11), sum(r.first_byte_slot_12),
    sum(r.first_byte_slot_13), sum(r.first_byte_slot_14), sum(r.first_byte_slot_15), sum(r.first_byte_slot_16),
    sum(r.first_byte_slot_17), sum(r.first_byte_slot_18), sum(r.first_byte_slot_19), sum(r.duration_slot_0),
    sum(r.duration_slot_1), sum(r.duration_slot_2), sum(r.duration_slot_3), sum(r.duration_slot_4),
    sum(r.duration_slot_5), sum(r.duration_slot_6), sum(r.duration_slot_7), sum(r.duration_slot_8),
    sum(r.duration_slot_9), sum(r.duration_slot_10), sum(r.duration_slot_11), sum(r.duration_slot_12),
    sum(r.duration_slot_13), sum(r.duration_slot_14), sum(r.duration_slot_15), sum(r.duration_slot_16),
    sum(r.duration_slot_17), sum(r.duration_slot_18), sum(r.duration_slot_19)
FROM paceline_sum r CROSS JOIN paceline_series s
WHERE r.grain = 7 AND s.series = r.series
GROUP BY r.period, r.bucket_ms, s.model, s.provider, s.route, s.outcome;

INSERT INTO paceline_series (series, grain, tag, tenant, key_id, model, provider, route, outcome, latest_ms)
SELECT CAST('3' || char(31) || s.tenant || char(31) || s.key_id AS BLOB), 3, '', s.tenant, s.key_id, '', '', '', 0, max(s.latest_ms)
FROM paceline_series s WHERE s.grain = 4
GROUP BY s.tenant, s.key_id;
INSERT INTO paceline_sum (grain, period, bucket_ms, series,
    calls, sent, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_in_tokens,
    audio_out_tokens, image_in_tokens, image_out_tokens, images, audio_ms, cost_nanousd, unpriced, estimated_calls,
    estimate_tokens, estimated_input_tokens, estimate_error_tokens, estimate_within_5, estimate_within_20,
    charge_tokens, wait_ms, waited, limited, retries, duration_ms, first_byte_ms, first_bytes, max_input_tokens,
    max_wait_ms, max_duration_ms, wait_slot_0, wait_slot_1, wait_slot_2, wait_slot_3, wait_slot_4, wait_slot_5,
    wait_slot_6, wait_slot_7, wait_slot_8, wait_slot_9, wait_slot_10, wait_slot_11, wait_slot_12, wait_slot_13,
    wait_slot_14, wait_slot_15, wait_slot_16, wait_slot_17, wait_slot_18, wait_slot_19, first_byte_slot_0,
    first_byte_slot_1, first_byte_slot_2, first_byte_slot_3, first_byte_slot_4, first_byte_slot_5, first_byte_slot_6,
    first_byte_slot_7, first_byte_slot_8, first_byte_slot_9, first_byte_slot_10, first_byte_slot_11,
    first_byte_slot_12, first_byte_slot_13, first_byte_slot_14, first_byte_slot_15, first_byte_slot_16,
    first_byte_slot_17, first_byte_slot_18, first_byte_slot_19, duration_slot_0, duration_slot_1, duration_slot_2,
    duration_slot_3, duration_slot_4, duration_slot_5, duration_slot_6, duration_slot_7, duration_slot_8,
    duration_slot_9, duration_slot_10, duration_slot_11, duration_slot_12, duration_slot_13, duration_slot_14,
    duration_slot_15, duration_slot_16, duration_slot_17, duration_slot_18, duration_slot_19)
SELECT 3, r.period, r.bucket_ms, CAST('3' || char(31) || s.tenant || char(31) || s.key_id AS BLOB),
    sum(r.calls), sum(r.sent), sum(r.input_tokens), sum(r.cached_tokens), sum(r.cache_write_tokens),
    sum(r.output_tokens), sum(r.reasoning_tokens), sum(r.audio_in_tokens), sum(r.audio_out_tokens),
    sum(r.image_in_tokens), sum(r.image_out_tokens), sum(r.images), sum(r.audio_ms), sum(r.cost_nanousd),
    sum(r.unpriced), sum(r.estimated_calls), sum(r.estimate_tokens), sum(r.estimated_input_tokens),
    sum(r.estimate_error_tokens), sum(r.estimate_within_5), sum(r.estimate_within_20), sum(r.charge_tokens),
    sum(r.wait_ms), sum(r.waited), sum(r.limited), sum(r.retries), sum(r.duration_ms), sum(r.first_byte_ms),
    sum(r.first_bytes), max(r.max_input_tokens), max(r.max_wait_ms), max(r.max_duration_ms), sum(r.wait_slot_0),
    sum(r.wait_slot_1), sum(r.wait_slot_2), sum(r.wait_slot_3), sum(r.wait_slot_4), sum(r.wait_slot_5),
    sum(r.wait_slot_6), sum(r.wait_slot_7), sum(r.wait_slot_8), sum(r.wait_slot_9), sum(r.wait_slot_10),
    sum(r.wait_slot_11), sum(r.wait_slot_12), sum(r.wait_slot_13), sum(r.wait_slot_14), sum(r.wait_slot_15),
    sum(r.wait_slot_16), sum(r.wait_slot_17), sum(r.wait_slot_18), sum(r.wait_slot_19), sum(r.first_byte_slot_0),
    sum(r.first_byte_slot_1), sum(r.first_byte_slot_2), sum(r.first_byte_slot_3), sum(r.first_byte_slot_4),
    sum(r.first_byte_slot_5), sum(r.first_byte_slot_6), sum(r.first_byte_slot_7), sum(r.first_byte_slot_8),
    sum(r.first_byte_slot_9), sum(r.first_byte_slot_10), sum(r.first_byte_slot_11), sum(r.first_byte_slot_12),
    sum(r.first_byte_slot_13), sum(r.first_byte_slot_14), sum(r.first_byte_slot_15), sum(r.first_byte_slot_16),
    sum(r.first_byte_slot_17), sum(r.first_byte_slot_18), sum(r.first_byte_slot_19), sum(r.duration_slot_0),
    sum(r.duration_slot_1), sum(r.duration_slot_2), sum(r.duration_slot_3), sum(r.duration_slot_4),
    sum(r.duration_slot_5), sum(r.duration_slot_6), sum(r.duration_slot_7), sum(r.duration_slot_8),
    sum(r.duration_slot_9), sum(r.duration_slot_10), sum(r.duration_slot_11), sum(r.duration_slot_12),
    sum(r.duration_slot_13), sum(r.duration_slot_14), sum(r.duration_slot_15), sum(r.duration_slot_16),
    sum(r.duration_slot_17), sum(r.duration_slot_18), sum(r.duration_slot_19)
FROM paceline_sum r CROSS JOIN paceline_series s
WHERE r.grain = 4 AND s.series = r.series
GROUP BY r.period, r.bucket_ms, s.tenant, s.key_id;

INSERT INTO paceline_series (series, grain, tag, tenant, key_id, model, provider, route, outcome, latest_ms)
SELECT CAST('0' AS BLOB), 0, '', '', '', '', '', '', 0, max(s.latest_ms)
FROM paceline_series s WHERE s.grain = 1 HAVING count(*) > 0;
INSERT INTO paceline_sum (grain, period, bucket_ms, series,
    calls, sent, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_in_tokens,
    audio_out_tokens, image_in_tokens, image_out_tokens, images, audio_ms, cost_nanousd, unpriced, estimated_calls,
    estimate_tokens, estimated_input_tokens, estimate_error_tokens, estimate_within_5, estimate_within_20,
    charge_tokens, wait_ms, waited, limited, retries, duration_ms, first_byte_ms, first_bytes, max_input_tokens,
    max_wait_ms, max_duration_ms, wait_slot_0, wait_slot_1, wait_slot_2, wait_slot_3, wait_slot_4, wait_slot_5,
    wait_slot_6, wait_slot_7, wait_slot_8, wait_slot_9, wait_slot_10, wait_slot_11, wait_slot_12, wait_slot_13,
    wait_slot_14, wait_slot_15, wait_slot_16, wait_slot_17, wait_slot_18, wait_slot_19, first_byte_slot_0,
    first_byte_slot_1, first_byte_slot_2, first_byte_slot_3, first_byte_slot_4, first_byte_slot_5, first_byte_slot_6,
    first_byte_slot_7, first_byte_slot_8, first_byte_slot_9, first_byte_slot_10, first_byte_slot_11,
    first_byte_slot_12, first_byte_slot_13, first_byte_slot_14, first_byte_slot_15, first_byte_slot_16,
    first_byte_slot_17, first_byte_slot_18, first_byte_slot_19, duration_slot_0, duration_slot_1, duration_slot_2,
    duration_slot_3, duration_slot_4, duration_slot_5, duration_slot_6, duration_slot_7, duration_slot_8,
    duration_slot_9, duration_slot_10, duration_slot_11, duration_slot_12, duration_slot_13, duration_slot_14,
    duration_slot_15, duration_slot_16, duration_slot_17, duration_slot_18, duration_slot_19)
SELECT 0, r.period, r.bucket_ms, CAST('0' AS BLOB),
    sum(r.calls), sum(r.sent), sum(r.input_tokens), sum(r.cached_tokens), sum(r.cache_write_tokens),
    sum(r.output_tokens), sum(r.reasoning_tokens), sum(r.audio_in_tokens), sum(r.audio_out_tokens),
    sum(r.image_in_tokens), sum(r.image_out_tokens), sum(r.images), sum(r.audio_ms), sum(r.cost_nanousd),
    sum(r.unpriced), sum(r.estimated_calls), sum(r.estimate_tokens), sum(r.estimated_input_tokens),
    sum(r.estimate_error_tokens), sum(r.estimate_within_5), sum(r.estimate_within_20), sum(r.charge_tokens),
    sum(r.wait_ms), sum(r.waited), sum(r.limited), sum(r.retries), sum(r.duration_ms), sum(r.first_byte_ms),
    sum(r.first_bytes), max(r.max_input_tokens), max(r.max_wait_ms), max(r.max_duration_ms), sum(r.wait_slot_0),
    sum(r.wait_slot_1), sum(r.wait_slot_2), sum(r.wait_slot_3), sum(r.wait_slot_4), sum(r.wait_slot_5),
    sum(r.wait_slot_6), sum(r.wait_slot_7), sum(r.wait_slot_8), sum(r.wait_slot_9), sum(r.wait_slot_10),
    sum(r.wait_slot_11), sum(r.wait_slot_12), sum(r.wait_slot_13), sum(r.wait_slot_14), sum(r.wait_slot_15),
    sum(r.wait_slot_16), sum(r.wait_slot_17), sum(r.wait_slot_18), sum(r.wait_slot_19), sum(r.first_byte_slot_0),
    sum(r.first_byte_slot_1), sum(r.first_byte_slot_2), sum(r.first_byte_slot_3), sum(r.first_byte_slot_4),
    sum(r.first_byte_slot_5), sum(r.first_byte_slot_6), sum(r.first_byte_slot_7), sum(r.first_byte_slot_8),
    sum(r.first_byte_slot_9), sum(r.first_byte_slot_10), sum(r.first_byte_slot_11), sum(r.first_byte_slot_12),
    sum(r.first_byte_slot_13), sum(r.first_byte_slot_14), sum(r.first_byte_slot_15), sum(r.first_byte_slot_16),
    sum(r.first_byte_slot_17), sum(r.first_byte_slot_18), sum(r.first_byte_slot_19), sum(r.duration_slot_0),
    sum(r.duration_slot_1), sum(r.duration_slot_2), sum(r.duration_slot_3), sum(r.duration_slot_4),
    sum(r.duration_slot_5), sum(r.duration_slot_6), sum(r.duration_slot_7), sum(r.duration_slot_8),
    sum(r.duration_slot_9), sum(r.duration_slot_10), sum(r.duration_slot_11), sum(r.duration_slot_12),
    sum(r.duration_slot_13), sum(r.duration_slot_14), sum(r.duration_slot_15), sum(r.duration_slot_16),
    sum(r.duration_slot_17), sum(r.duration_slot_18), sum(r.duration_slot_19)
FROM paceline_sum r CROSS JOIN paceline_series s
WHERE r.grain = 1 AND s.series = r.series
GROUP BY r.period, r.bucket_ms;

INSERT INTO paceline_series (series, grain, tag, tenant, key_id, model, provider, route, outcome, latest_ms)
SELECT CAST('2' || char(31) || s.tenant AS BLOB), 2, '', s.tenant, '', '', '', '', 0, max(s.latest_ms)
FROM paceline_series s WHERE s.grain = 3
GROUP BY s.tenant;
INSERT INTO paceline_sum (grain, period, bucket_ms, series,
    calls, sent, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_in_tokens,
    audio_out_tokens, image_in_tokens, image_out_tokens, images, audio_ms, cost_nanousd, unpriced, estimated_calls,
    estimate_tokens, estimated_input_tokens, estimate_error_tokens, estimate_within_5, estimate_within_20,
    charge_tokens, wait_ms, waited, limited, retries, duration_ms, first_byte_ms, first_bytes, max_input_tokens,
    max_wait_ms, max_duration_ms, wait_slot_0, wait_slot_1, wait_slot_2, wait_slot_3, wait_slot_4, wait_slot_5,
    wait_slot_6, wait_slot_7, wait_slot_8, wait_slot_9, wait_slot_10, wait_slot_11, wait_slot_12, wait_slot_13,
    wait_slot_14, wait_slot_15, wait_slot_16, wait_slot_17, wait_slot_18, wait_slot_19, first_byte_slot_0,
    first_byte_slot_1, first_byte_slot_2, first_byte_slot_3, first_byte_slot_4, first_byte_slot_5, first_byte_slot_6,
    first_byte_slot_7, first_byte_slot_8, first_byte_slot_9, first_byte_slot_10, first_byte_slot_11,
    first_byte_slot_12, first_byte_slot_13, first_byte_slot_14, first_byte_slot_15, first_byte_slot_16,
    first_byte_slot_17, first_byte_slot_18, first_byte_slot_19, duration_slot_0, duration_slot_1, duration_slot_2,
    duration_slot_3, duration_slot_4, duration_slot_5, duration_slot_6, duration_slot_7, duration_slot_8,
    duration_slot_9, duration_slot_10, duration_slot_11, duration_slot_12, duration_slot_13, duration_slot_14,
    duration_slot_15, duration_slot_16, duration_slot_17, duration_slot_18, duration_slot_19)
SELECT 2, r.period, r.bucket_ms, CAST('2' || char(31) || s.tenant AS BLOB),
    sum(r.calls), sum(r.sent), sum(r.input_tokens), sum(r.cached_tokens), sum(r.cache_write_tokens),
    sum(r.output_tokens), sum(r.reasoning_tokens), sum(r.audio_in_tokens), sum(r.audio_out_tokens),
    sum(r.image_in_tokens), sum(r.image_out_tokens), sum(r.images), sum(r.audio_ms), sum(r.cost_nanousd),
    sum(r.unpriced), sum(r.estimated_calls), sum(r.estimate_tokens), sum(r.estimated_input_tokens),
    sum(r.estimate_error_tokens), sum(r.estimate_within_5), sum(r.estimate_within_20), sum(r.charge_tokens),
    sum(r.wait_ms), sum(r.waited), sum(r.limited), sum(r.retries), sum(r.duration_ms), sum(r.first_byte_ms),
    sum(r.first_bytes), max(r.max_input_tokens), max(r.max_wait_ms), max(r.max_duration_ms), sum(r.wait_slot_0),
    sum(r.wait_slot_1), sum(r.wait_slot_2), sum(r.wait_slot_3), sum(r.wait_slot_4), sum(r.wait_slot_5),
    sum(r.wait_slot_6), sum(r.wait_slot_7), sum(r.wait_slot_8), sum(r.wait_slot_9), sum(r.wait_slot_10),
    sum(r.wait_slot_11), sum(r.wait_slot_12), sum(r.wait_slot_13), sum(r.wait_slot_14), sum(r.wait_slot_15),
    sum(r.wait_slot_16), sum(r.wait_slot_17), sum(r.wait_slot_18), sum(r.wait_slot_19), sum(r.first_byte_slot_0),
    sum(r.first_byte_slot_1), sum(r.first_byte_slot_2), sum(r.first_byte_slot_3), sum(r.first_byte_slot_4),
    sum(r.first_byte_slot_5), sum(r.first_byte_slot_6), sum(r.first_byte_slot_7), sum(r.first_byte_slot_8),
    sum(r.first_byte_slot_9), sum(r.first_byte_slot_10), sum(r.first_byte_slot_11), sum(r.first_byte_slot_12),
    sum(r.first_byte_slot_13), sum(r.first_byte_slot_14), sum(r.first_byte_slot_15), sum(r.first_byte_slot_16),
    sum(r.first_byte_slot_17), sum(r.first_byte_slot_18), sum(r.first_byte_slot_19), sum(r.duration_slot_0),
    sum(r.duration_slot_1), sum(r.duration_slot_2), sum(r.duration_slot_3), sum(r.duration_slot_4),
    sum(r.duration_slot_5), sum(r.duration_slot_6), sum(r.duration_slot_7), sum(r.duration_slot_8),
    sum(r.duration_slot_9), sum(r.duration_slot_10), sum(r.duration_slot_11), sum(r.duration_slot_12),
    sum(r.duration_slot_13), sum(r.duration_slot_14), sum(r.duration_slot_15), sum(r.duration_slot_16),
    sum(r.duration_slot_17), sum(r.duration_slot_18), sum(r.duration_slot_19)
FROM paceline_sum r CROSS JOIN paceline_series s
WHERE r.grain = 3 AND s.series = r.series
GROUP BY r.period, r.bucket_ms, s.tenant;

INSERT INTO paceline_series (series, grain, tag, tenant, key_id, model, provider, route, outcome, latest_ms)
SELECT CAST('8' || char(31) || s.tag || char(31) || s.model || char(31) || s.provider || char(31) || s.route || char(31) || s.outcome AS BLOB), 8, s.tag, '', '', s.model, s.provider, s.route, s.outcome, max(s.latest_ms)
FROM paceline_series s WHERE s.grain = 6
GROUP BY s.tag, s.model, s.provider, s.route, s.outcome;
INSERT INTO paceline_sum (grain, period, bucket_ms, series,
    calls, sent, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_in_tokens,
    audio_out_tokens, image_in_tokens, image_out_tokens, images, audio_ms, cost_nanousd, unpriced, estimated_calls,
    estimate_tokens, estimated_input_tokens, estimate_error_tokens, estimate_within_5, estimate_within_20,
    charge_tokens, wait_ms, waited, limited, retries, duration_ms, first_byte_ms, first_bytes, max_input_tokens,
    max_wait_ms, max_duration_ms, wait_slot_0, wait_slot_1, wait_slot_2, wait_slot_3, wait_slot_4, wait_slot_5,
    wait_slot_6, wait_slot_7, wait_slot_8, wait_slot_9, wait_slot_10, wait_slot_11, wait_slot_12, wait_slot_13,
    wait_slot_14, wait_slot_15, wait_slot_16, wait_slot_17, wait_slot_18, wait_slot_19, first_byte_slot_0,
    first_byte_slot_1, first_byte_slot_2, first_byte_slot_3, first_byte_slot_4, first_byte_slot_5, first_byte_slot_6,
    first_byte_slot_7, first_byte_slot_8, first_byte_slot_9, first_byte_slot_10, first_byte_slot_11,
    first_byte_slot_12, first_byte_slot_13, first_byte_slot_14, first_byte_slot_15, first_byte_slot_16,
    first_byte_slot_17, first_byte_slot_18, first_byte_slot_19, duration_slot_0, duration_slot_1, duration_slot_2,
    duration_slot_3, duration_slot_4, duration_slot_5, duration_slot_6, duration_slot_7, duration_slot_8,
    duration_slot_9, duration_slot_10, duration_slot_11, duration_slot_12, duration_slot_13, duration_slot_14,
    duration_slot_15, duration_slot_16, duration_slot_17, duration_slot_18, duration_slot_19)
SELECT 8, r.period, r.bucket_ms, CAST('8' || char(31) || s.tag || char(31) || s.model || char(31) || s.provider || char(31) || s.route || char(31) || s.outcome AS BLOB),
    sum(r.calls), sum(r.sent), sum(r.input_tokens), sum(r.cached_tokens), sum(r.cache_write_tokens),
    sum(r.output_tokens), sum(r.reasoning_tokens), sum(r.audio_in_tokens), sum(r.audio_out_tokens),
    sum(r.image_in_tokens), sum(r.image_out_tokens), sum(r.images), sum(r.audio_ms), sum(r.cost_nanousd),
    sum(r.unpriced), sum(r.estimated_calls), sum(r.estimate_tokens), sum(r.estimated_input_tokens),
    sum(r.estimate_error_tokens), sum(r.estimate_within_5), sum(r.estimate_within_20), sum(r.charge_tokens),
    sum(r.wait_ms), sum(r.waited), sum(r.limited), sum(r.retries), sum(r.duration_ms), sum(r.first_byte_ms),
    sum(r.first_bytes), max(r.max_input_tokens), max(r.max_wait_ms), max(r.max_duration_ms), sum(r.wait_slot_0),
    sum(r.wait_slot_1), sum(r.wait_slot_2), sum(r.wait_slot_3), sum(r.wait_slot_4), sum(r.wait_slot_5),
    sum(r.wait_slot_6), sum(r.wait_slot_7), sum(r.wait_slot_8), sum(r.wait_slot_9), sum(r.wait_slot_10),
    sum(r.wait_slot_11), sum(r.wait_slot_12), sum(r.wait_slot_13), sum(r.wait_slot_14), sum(r.wait_slot_15),
    sum(r.wait_slot_16), sum(r.wait_slot_17), sum(r.wait_slot_18), sum(r.wait_slot_19), sum(r.first_byte_slot_0),
    sum(r.first_byte_slot_1), sum(r.first_byte_slot_2), sum(r.first_byte_slot_3), sum(r.first_byte_slot_4),
    sum(r.first_byte_slot_5), sum(r.first_byte_slot_6), sum(r.first_byte_slot_7), sum(r.first_byte_slot_8),
    sum(r.first_byte_slot_9), sum(r.first_byte_slot_10), sum(r.first_byte_slot_11), sum(r.first_byte_slot_12),
    sum(r.first_byte_slot_13), sum(r.first_byte_slot_14), sum(r.first_byte_slot_15), sum(r.first_byte_slot_16),
    sum(r.first_byte_slot_17), sum(r.first_byte_slot_18), sum(r.first_byte_slot_19), sum(r.duration_slot_0),
    sum(r.duration_slot_1), sum(r.duration_slot_2), sum(r.duration_slot_3), sum(r.duration_slot_4),
    sum(r.duration_slot_5), sum(r.duration_slot_6), sum(r.duration_slot_7), sum(r.duration_slot_8),
    sum(r.duration_slot_9), sum(r.duration_slot_10), sum(r.duration_slot_11), sum(r.duration_slot_12),
    sum(r.duration_slot_13), sum(r.duration_slot_14), sum(r.duration_slot_15), sum(r.duration_slot_16),
    sum(r.duration_slot_17), sum(r.duration_slot_18), sum(r.duration_slot_19)
FROM paceline_sum r CROSS JOIN paceline_series s
WHERE r.grain = 6 AND s.series = r.series
GROUP BY r.period, r.bucket_ms, s.tag, s.model, s.provider, s.route, s.outcome;

INSERT INTO paceline_series (series, grain, tag, tenant, key_id, model, provider, route, outcome, latest_ms)
SELECT CAST('5' || char(31) || s.tag AS BLOB), 5, s.tag, '', '', '', '', '', 0, max(s.latest_ms)
FROM paceline_series s WHERE s.grain = 8
GROUP BY s.tag;
INSERT INTO paceline_sum (grain, period, bucket_ms, series,
    calls, sent, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_in_tokens,
    audio_out_tokens, image_in_tokens, image_out_tokens, images, audio_ms, cost_nanousd, unpriced, estimated_calls,
    estimate_tokens, estimated_input_tokens, estimate_error_tokens, estimate_within_5, estimate_within_20,
    charge_tokens, wait_ms, waited, limited, retries, duration_ms, first_byte_ms, first_bytes, max_input_tokens,
    max_wait_ms, max_duration_ms, wait_slot_0, wait_slot_1, wait_slot_2, wait_slot_3, wait_slot_4, wait_slot_5,
    wait_slot_6, wait_slot_7, wait_slot_8, wait_slot_9, wait_slot_10, wait_slot_11, wait_slot_12, wait_slot_13,
    wait_slot_14, wait_slot_15, wait_slot_16, wait_slot_17, wait_slot_18, wait_slot_19, first_byte_slot_0,
    first_byte_slot_1, first_byte_slot_2, first_byte_slot_3, first_byte_slot_4, first_byte_slot_5, first_byte_slot_6,
    first_byte_slot_7, first_byte_slot_8, first_byte_slot_9, first_byte_slot_10, first_byte_slot_11,
    first_byte_slot_12, first_byte_slot_13, first_byte_slot_14, first_byte_slot_15, first_byte_slot_16,
    first_byte_slot_17, first_byte_slot_18, first_byte_slot_19, duration_slot_0, duration_slot_1, duration_slot_2,
    duration_slot_3, duration_slot_4, duration_slot_5, duration_slot_6, duration_slot_7, duration_slot_8,
    duration_slot_9, duration_slot_10, duration_slot_11, duration_slot_12, duration_slot_13, duration_slot_14,
    duration_slot_15, duration_slot_16, duration_slot_17, duration_slot_18, duration_slot_19)
SELECT 5, r.period, r.bucket_ms, CAST('5' || char(31) || s.tag AS BLOB),
    sum(r.calls), sum(r.sent), sum(r.input_tokens), sum(r.cached_tokens), sum(r.cache_write_tokens),
    sum(r.output_tokens), sum(r.reasoning_tokens), sum(r.audio_in_tokens), sum(r.audio_out_tokens),
    sum(r.image_in_tokens), sum(r.image_out_tokens), sum(r.images), sum(r.audio_ms), sum(r.cost_nanousd),
    sum(r.unpriced), sum(r.estimated_calls), sum(r.estimate_tokens), sum(r.estimated_input_tokens),
    sum(r.estimate_error_tokens), sum(r.estimate_within_5), sum(r.estimate_within_20), sum(r.charge_tokens),
    sum(r.wait_ms), sum(r.waited), sum(r.limited), sum(r.retries), sum(r.duration_ms), sum(r.first_byte_ms),
    sum(r.first_bytes), max(r.max_input_tokens), max(r.max_wait_ms), max(r.max_duration_ms), sum(r.wait_slot_0),
    sum(r.wait_slot_1), sum(r.wait_slot_2), sum(r.wait_slot_3), sum(r.wait_slot_4), sum(r.wait_slot_5),
    sum(r.wait_slot_6), sum(r.wait_slot_7), sum(r.wait_slot_8), sum(r.wait_slot_9), sum(r.wait_slot_10),
    sum(r.wait_slot_11), sum(r.wait_slot_12), sum(r.wait_slot_13), sum(r.wait_slot_14), sum(r.wait_slot_15),
    sum(r.wait_slot_16), sum(r.wait_slot_17), sum(r.wait_slot_18), sum(r.wait_slot_19), sum(r.first_byte_slot_0),
    sum(r.first_byte_slot_1), sum(r.first_byte_slot_2), sum(r.first_byte_slot_3), sum(r.first_byte_slot_4),
    sum(r.first_byte_slot_5), sum(r.first_byte_slot_6), sum(r.first_byte_slot_7), sum(r.first_byte_slot_8),
    sum(r.first_byte_slot_9), sum(r.first_byte_slot_10), sum(r.first_byte_slot_11), sum(r.first_byte_slot_12),
    sum(r.first_byte_slot_13), sum(r.first_byte_slot_14), sum(r.first_byte_slot_15), sum(r.first_byte_slot_16),
    sum(r.first_byte_slot_17), sum(r.first_byte_slot_18), sum(r.first_byte_slot_19), sum(r.duration_slot_0),
    sum(r.duration_slot_1), sum(r.duration_slot_2), sum(r.duration_slot_3), sum(r.duration_slot_4),
    sum(r.duration_slot_5), sum(r.duration_slot_6), sum(r.duration_slot_7), sum(r.duration_slot_8),
    sum(r.duration_slot_9), sum(r.duration_slot_10), sum(r.duration_slot_11), sum(r.duration_slot_12),
    sum(r.duration_slot_13), sum(r.duration_slot_14), sum(r.duration_slot_15), sum(r.duration_slot_16),
    sum(r.duration_slot_17), sum(r.duration_slot_18), sum(r.duration_slot_19)
FROM paceline_sum r CROSS JOIN paceline_series s
WHERE r.grain = 8 AND s.series = r.series
GROUP BY r.period, r.bucket_ms, s.tag;

-- Records of somebody or something that comes seldom are not to be looked for among all.
CREATE INDEX paceline_entry_by_model ON paceline_entry (model, ended_at_ms, call_id);
CREATE INDEX paceline_entry_by_tenant ON paceline_entry (tenant, ended_at_ms, call_id);
CREATE INDEX paceline_entry_by_key ON paceline_entry (key_id, ended_at_ms, call_id) WHERE key_id IS NOT NULL;
CREATE INDEX paceline_entry_by_failure ON paceline_entry (outcome, ended_at_ms, call_id) WHERE outcome <> 0;
