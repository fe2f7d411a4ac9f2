-- What events are counted by, beside the bit maps that say which they are: for each chunk of 4,096 positions and each
-- field, the values of its events in the order of positions. See src/events/index/columns.ts for the layout.

CREATE TABLE event_column (
  journal_id integer NOT NULL,
  field      text    NOT NULL,
  chunk      integer NOT NULL,
  dictionary text[]  NOT NULL,
  codes      bytea   NOT NULL,
  PRIMARY KEY (journal_id, field, chunk)
);

-- Chunks that are in the index already, up to where it has come. Nobody goes on with a journal's index meanwhile.
DO $columns$
DECLARE
  span      CONSTANT integer := 4096;
  -- 0001-01-01 has the number 1, so that 0 says that there is no event.
  time_zero CONSTANT bigint := 62135596800001;
  part record;
BEGIN
  FOR part IN SELECT id FROM journal WHERE head > 0 ORDER BY id LOOP
    PERFORM pg_advisory_xact_lock(hashtext('eventree index'), part.id);
  END LOOP;

  FOR part IN
    SELECT c.journal_id, c.chunk, c.min_id, c.max_id,
      c.chunk::bigint * span + 1 AS first, least(j.indexed, (c.chunk + 1)::bigint * span) AS last
    FROM journal_chunk c JOIN journal j ON j.id = c.journal_id
    WHERE j.indexed > c.chunk::bigint * span
    ORDER BY c.journal_id, c.chunk
  LOOP
    WITH told AS MATERIALIZED (
      SELECT e.position, e.occurred_at, e.type, e.category::text, e.severity::text, e.resource, e.actor
      FROM event e
      WHERE e.journal_id = part.journal_id AND e.position BETWEEN part.first AND part.last
        AND e.id BETWEEN part.min_id AND part.max_id
    ), valued AS (
      SELECT told.position, told.occurred_at, v.field, v.value
      FROM told CROSS JOIN LATERAL (VALUES
        ('occurredAt', NULL), ('type', told.type), ('category', told.category), ('severity', told.severity),
        ('resource', told.resource), ('actor', told.actor)
      ) AS v (field, value)
    ), word AS (
      SELECT field, value, row_number() OVER (PARTITION BY field ORDER BY min(position)) AS code
      FROM valued WHERE value IS NOT NULL GROUP BY field, value
    ), coded AS (
      SELECT f.field, place.position,
        CASE WHEN f.field = 'occurredAt'
          THEN substring(int8send(coalesce((extract(epoch FROM told.occurred_at) * 1000)::bigint + time_zero, 0)) FROM 2)
          ELSE int2send(coalesce(w.code, 0)::smallint)
        END AS code
      FROM (VALUES ('occurredAt'), ('type'), ('category'), ('severity'), ('resource'), ('actor')) AS f (field)
      CROSS JOIN generate_series(part.first, part.last) AS place (position)
      LEFT JOIN told ON told.position = place.position
      LEFT JOIN valued v ON v.position = place.position AND v.field = f.field
      LEFT JOIN word w ON w.field = f.field AND w.value = v.value
    )
    INSERT INTO event_column (journal_id, field, chunk, dictionary, codes)
    SELECT part.journal_id, coded.field, part.chunk,
      coalesce((SELECT array_agg(word.value ORDER BY word.code) FROM word WHERE word.field = coded.field), '{}'),
      string_agg(coded.code, '' ORDER BY coded.position)
    FROM coded GROUP BY coded.field;
  END LOOP;
END $columns$;
