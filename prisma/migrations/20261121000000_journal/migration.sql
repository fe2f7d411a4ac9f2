-- The journal, its index, who may see what, and the registry.
--
-- What Prisma's schema cannot say stands here only: partitions, the refusal of change, the append.

CREATE TYPE "Category" AS ENUM ('ACTION', 'ALARM', 'CALL', 'CHANGE', 'CRUD', 'EMAIL', 'STATE', 'SYSTEM', 'USER');
CREATE TYPE "Severity" AS ENUM ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL');
CREATE TYPE "AttributeKind" AS ENUM ('STRING', 'INTEGER', 'FLOAT', 'BOOLEAN', 'DATETIME', 'RESOURCE', 'JSON');
CREATE TYPE "Origin" AS ENUM ('BUILT_IN', 'DECLARED', 'API');

-- Partitions live apart from the tables that people read.
CREATE SCHEMA eventree_partitions;

CREATE TABLE installation (
  id               integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  name             uuid    NOT NULL DEFAULT gen_random_uuid(),
  seal_key         bytea   NOT NULL,
  registry_version integer NOT NULL DEFAULT 0
);

-- Two version 4 UUIDs hold 244 random bits, without an extension.
INSERT INTO installation (seal_key)
VALUES (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

CREATE TABLE journal (
  id          serial         PRIMARY KEY,
  name        text           NOT NULL,
  epoch       uuid           NOT NULL DEFAULT gen_random_uuid(),
  head        bigint         NOT NULL DEFAULT 0,
  indexed     bigint         NOT NULL DEFAULT 0,
  oldest      bigint         NOT NULL DEFAULT 1,
  recorded_at timestamptz(3) NOT NULL DEFAULT to_timestamp(0)
);
CREATE UNIQUE INDEX journal_name_key ON journal (name);

CREATE TABLE journal_chunk (
  journal_id      integer        NOT NULL,
  chunk           integer        NOT NULL,
  min_id          uuid           NOT NULL,
  max_id          uuid           NOT NULL,
  min_occurred_at timestamptz(3) NOT NULL,
  max_occurred_at timestamptz(3) NOT NULL,
  min_recorded_at timestamptz(3) NOT NULL,
  max_recorded_at timestamptz(3) NOT NULL,
  PRIMARY KEY (journal_id, chunk)
);

-- No foreign keys: an event names its resource, type and ancestors for good, whatever becomes of them,
-- and a trigger per row is what an append can least afford.
CREATE TABLE event (
  id              uuid           NOT NULL,
  journal_id      integer        NOT NULL,
  position        bigint         NOT NULL,
  type            text           NOT NULL,
  category        "Category"     NOT NULL,
  severity        "Severity"     NOT NULL,
  message         text           NOT NULL,
  masked_message  text,
  words           text           NOT NULL,
  occurred_at     timestamptz(3) NOT NULL,
  recorded_at     timestamptz(3) NOT NULL,
  resource        text,
  actor           text,
  active_claim    text,
  session_id      text,
  correlation_id  text,
  path            uuid[],
  attributes      jsonb          NOT NULL,
  payload         json,
  private_payload json,
  recorded_by     text           NOT NULL,
  PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX event_journal_id_position_idx ON event (journal_id, position);

-- Terms are compared byte by byte: the order of attribute values is written into them.
CREATE TABLE event_index (
  journal_id integer          NOT NULL,
  term       text COLLATE "C" NOT NULL,
  chunk      integer          NOT NULL,
  bits       bytea            NOT NULL,
  PRIMARY KEY (journal_id, term, chunk)
) PARTITION BY RANGE (chunk);

CREATE TABLE resource (
  ref       text    PRIMARY KEY,
  type      text    NOT NULL,
  name      text,
  version   integer NOT NULL DEFAULT 1,
  owners    text[] NOT NULL,
  view_meta text[] NOT NULL,
  view_data text[] NOT NULL,
  view_acl  text[] NOT NULL,
  edit_meta text[] NOT NULL,
  edit_data text[] NOT NULL,
  edit_acl  text[] NOT NULL,
  manage    text[] NOT NULL,
  delete    text[] NOT NULL
);
CREATE INDEX resource_type_ref_idx ON resource (type, ref);

CREATE TABLE attribute (
  id          serial          PRIMARY KEY,
  name        text            NOT NULL,
  kind        "AttributeKind" NOT NULL,
  description text,
  indexed     boolean         NOT NULL,
  private     boolean         NOT NULL,
  index_ready boolean         NOT NULL DEFAULT true,
  origin      "Origin"        NOT NULL
);
CREATE UNIQUE INDEX attribute_name_key ON attribute (name);

CREATE TABLE event_type (
  id               serial     PRIMARY KEY,
  name             text       NOT NULL,
  description      text,
  category         "Category" NOT NULL,
  severity         "Severity" NOT NULL,
  message_template text,
  enabled          boolean    NOT NULL,
  origin           "Origin"   NOT NULL
);
CREATE UNIQUE INDEX event_type_name_key ON event_type (name);

CREATE TABLE event_type_attribute (
  type_id      integer NOT NULL REFERENCES event_type (id) ON UPDATE CASCADE ON DELETE CASCADE,
  attribute_id integer NOT NULL REFERENCES attribute (id) ON UPDATE CASCADE ON DELETE RESTRICT,
  ordinal      integer NOT NULL,
  required     boolean NOT NULL,
  PRIMARY KEY (type_id, attribute_id)
);

-- ── Events are append-only ───────────────────────────────────────────────────────────────────────
-- By trigger, so that it holds for whatever role the server connects as, the owner's included.

CREATE FUNCTION eventree_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'events are append-only: % of % is refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;

-- Partitions get the row trigger from their parent, but a TRUNCATE of a partition asks the partition only.
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON event
  FOR EACH ROW EXECUTE FUNCTION eventree_refuse_change();
CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event
  FOR EACH STATEMENT EXECUTE FUNCTION eventree_refuse_change();

-- ── Partitions ───────────────────────────────────────────────────────────────────────────────────
-- Made beside and then attached: ATTACH lets readers and writers of the parent go on, CREATE … PARTITION
-- OF would stop them all.

-- The smallest UUID of a moment: its first 48 bits are the time in milliseconds (RFC 9562, 5.7).
CREATE FUNCTION eventree_uuid_floor(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT rpad(lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- The partition of events whose ids were made in the month of `moment`. Ids from before 2010 share one.
CREATE FUNCTION eventree_add_event_partition(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  era     CONSTANT timestamptz := '2010-01-01 00:00:00+00';
  opening CONSTANT timestamptz := date_trunc('month', moment, 'UTC');
  closing CONSTANT timestamptz := opening + interval '32 days';
  child text;
  bounds text;
BEGIN
  IF opening < era THEN
    child := 'event_before_2010';
    bounds := format('FROM (MINVALUE) TO (%L)', eventree_uuid_floor(era));
  ELSE
    child := 'event_' || to_char(opening AT TIME ZONE 'UTC', 'YYYY_MM');
    bounds := format('FROM (%L) TO (%L)',
      eventree_uuid_floor(opening), eventree_uuid_floor(date_trunc('month', closing, 'UTC')));
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('eventree partition'));
  IF to_regclass('eventree_partitions.' || child) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE eventree_partitions.%I (LIKE event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child);
  EXECUTE format('ALTER TABLE event ATTACH PARTITION eventree_partitions.%I FOR VALUES %s', child, bounds);
  EXECUTE format('CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON eventree_partitions.%I '
    'FOR EACH STATEMENT EXECUTE FUNCTION eventree_refuse_change()', child);
END $$;

-- The partition of the index that holds a chunk: 256 chunks, about a million events each.
CREATE FUNCTION eventree_add_index_partition(of_chunk integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  span  CONSTANT integer := 256;
  place CONSTANT integer := of_chunk / span;
  child CONSTANT text := 'event_index_' || place;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('eventree partition'));
  IF to_regclass('eventree_partitions.' || child) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE eventree_partitions.%I (LIKE event_index INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child);
  EXECUTE format('ALTER TABLE event_index ATTACH PARTITION eventree_partitions.%I FOR VALUES FROM (%s) TO (%s)',
    child, place * span, (place + 1) * span);
END $$;

-- ── Append ───────────────────────────────────────────────────────────────────────────────────────
-- Numbers a batch of events and inserts it. The update of the journal's row comes first and holds its
-- lock to commit: that lock is the order of positions, and a rollback undoes the count.
--
-- The batch was judged before, outside the lock: `registry` is the version of the registry it was
-- checked against, `versions` the versions of the ACLs of the resources it names (0: there was none,
-- it is created here with its owner). Whatever has changed since fails the batch, which is then judged
-- again: ET001 for the registry, ET002 for a resource.
CREATE FUNCTION eventree_append(
  journal_of      integer,
  registry        integer,
  refs            text[],
  versions        integer[],
  owners          text[],
  ids             uuid[],
  types           text[],
  categories      text[],
  severities      text[],
  messages        text[],
  masked_messages text[],
  words           text[],
  occurred_ats    timestamptz[],
  resources       text[],
  actors          text[],
  active_claims   text[],
  session_ids     text[],
  correlation_ids text[],
  paths           text[],
  attributes      text[],
  payloads        text[],
  private_payloads text[],
  recorders       text[],
  id_span         uuid[],
  occurred_span   timestamptz[]
) RETURNS TABLE (first_position bigint, recorded_at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  base bigint;
  taken_at timestamptz;
BEGIN
  UPDATE journal j
  SET head = j.head + cardinality(ids),
      recorded_at = greatest(j.recorded_at, date_trunc('milliseconds', clock_timestamp()))
  WHERE j.id = journal_of
  RETURNING j.head - cardinality(ids), j.recorded_at INTO base, taken_at;

  IF (SELECT i.registry_version FROM installation i) <> registry THEN
    RAISE EXCEPTION 'the registry has changed' USING ERRCODE = 'ET001';
  END IF;
  IF EXISTS (
    SELECT FROM unnest(refs, versions) AS judged (ref, version)
    LEFT JOIN resource r ON r.ref = judged.ref
    WHERE coalesce(r.version, 0) <> judged.version
  ) THEN
    RAISE EXCEPTION 'the ACL of a resource has changed' USING ERRCODE = 'ET002';
  END IF;

  INSERT INTO resource (ref, type, owners, view_meta, view_data, view_acl, edit_meta, edit_data, edit_acl, manage, delete)
  SELECT judged.ref, split_part(judged.ref, '/', 1), ARRAY[judged.owner], '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'
  FROM unnest(refs, versions, owners) AS judged (ref, version, owner)
  WHERE judged.version = 0;

  INSERT INTO event (
    id, journal_id, position, type, category, severity, message, masked_message, words, occurred_at, recorded_at,
    resource, actor, active_claim, session_id, correlation_id, path, attributes, payload, private_payload, recorded_by
  )
  SELECT
    e.id, journal_of, base + e.nth, e.type, e.category::"Category", e.severity::"Severity", e.message, e.masked, e.words,
    e.occurred_at, taken_at, e.resource, e.actor, e.active_claim, e.session_id, e.correlation_id, e.path::uuid[],
    e.attributes::jsonb, e.payload::json, e.private_payload::json, e.recorder
  FROM unnest(
    ids, types, categories, severities, messages, masked_messages, words, occurred_ats, resources, actors,
    active_claims, session_ids, correlation_ids, paths, attributes, payloads, private_payloads, recorders
  ) WITH ORDINALITY AS e (
    id, type, category, severity, message, masked, words, occurred_at, resource, actor,
    active_claim, session_id, correlation_id, path, attributes, payload, private_payload, recorder, nth
  );

  INSERT INTO journal_chunk AS c (
    journal_id, chunk, min_id, max_id, min_occurred_at, max_occurred_at, min_recorded_at, max_recorded_at
  )
  SELECT journal_of, n, id_span[1], id_span[2], occurred_span[1], occurred_span[2], taken_at, taken_at
  FROM generate_series((base >> 12)::integer, ((base + cardinality(ids) - 1) >> 12)::integer) AS n
  ON CONFLICT (journal_id, chunk) DO UPDATE SET
    min_id = least(c.min_id, excluded.min_id),
    max_id = greatest(c.max_id, excluded.max_id),
    min_occurred_at = least(c.min_occurred_at, excluded.min_occurred_at),
    max_occurred_at = greatest(c.max_occurred_at, excluded.max_occurred_at),
    max_recorded_at = excluded.max_recorded_at;

  RETURN QUERY SELECT base + 1, taken_at;
END $$;
