-- The outbox: what recorders have written in transactions of their own, on its way into the journal, and markers of
-- calls that are open. It stands in Eventree's own database and in those of applications (src/outbox/install.ts), so it
-- leans on nothing else, and it may be there already.
--
-- One statement, because Prisma runs one at a time; locked, because several programs may start at once.

DO $outbox$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('eventree outbox'));
  IF to_regclass('eventree_outbox.recorder') IS NOT NULL THEN
    RETURN;
  END IF;

  CREATE SCHEMA IF NOT EXISTS eventree_outbox;

  -- JSON is kept as it was written: `json`, not `jsonb`, which refuses what the API alone is to judge.
  CREATE TABLE eventree_outbox.parcel (
    id         bigserial   PRIMARY KEY,
    events     json        NOT NULL,
    resources  json        NOT NULL,
    -- By whom a server records it; null where the relay's token says so.
    author     json,
    -- The scope below which it hangs. It is not moved while that is marked, or waits itself in `ends` of another.
    waits_for  uuid,
    -- The scopes above that one, nearest first.
    above      uuid[]      NOT NULL DEFAULT '{}',
    depth      integer     NOT NULL DEFAULT 0,
    -- Scopes that ended with it.
    ends       uuid[]      NOT NULL DEFAULT '{}',
    -- Made of a marker whose recorder is gone.
    lost       boolean     NOT NULL DEFAULT false,
    attempts   integer     NOT NULL DEFAULT 0,
    -- Why it was refused; it is tried again nevertheless.
    error      text,
    -- Refused, or claimed by a relay: nobody takes it before.
    retry_at   timestamptz,
    written_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX parcel_depth_id_idx ON eventree_outbox.parcel (depth, id);
  CREATE INDEX parcel_ends_idx ON eventree_outbox.parcel USING gin (ends) WHERE ends <> '{}';

  CREATE INDEX parcel_lost_subject_idx ON eventree_outbox.parcel ((author->>'subject')) WHERE lost;

  CREATE TABLE eventree_outbox.marker (
    id        uuid        PRIMARY KEY,
    recorder  uuid        NOT NULL,
    event     json        NOT NULL,
    author    json,
    waits_for uuid,
    depth     integer     NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX marker_recorder_idx ON eventree_outbox.marker (recorder);
  CREATE INDEX marker_subject_idx ON eventree_outbox.marker ((author->>'subject')) WHERE author IS NOT NULL;

  CREATE TABLE eventree_outbox.recorder (
    id         uuid        PRIMARY KEY,
    expires_at timestamptz NOT NULL
  );
END $outbox$;
