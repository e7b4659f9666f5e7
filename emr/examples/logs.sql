CREATE EXTERNAL TABLE logs (
  event_id string, ts timestamp, client_ip string, method string, path string, status int, bytes bigint,
  duration_ms double, user_agent string, referer string, user_id string,
  `_topic` string, `_partition` int, `_offset` bigint, `_timestamp` timestamp
) PARTITIONED BY (dt string, hr string)
STORED AS PARQUET LOCATION 's3://example-lake/logs/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date', 'projection.dt.format' = 'yyyy-MM-dd', 'projection.dt.range' = '2026-01-01,NOW',
  'projection.hr.type' = 'integer', 'projection.hr.range' = '0,23', 'projection.hr.digits' = '2'
);
