-- The outbox keeps the order in which a resource is put, whoever moves its parcels; a claim looks at what is free only;
-- and transactions that bring the marker of one scope do not wait for each other. In applications' databases too
-- (src/outbox/install.ts): one statement, under the lock of the first one, and it may have been run already.

DO $outbox$
DECLARE
  before text := current_setting('lock_timeout');
  who text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('eventree outbox'));
  IF to_regclass('eventree_outbox.resource') IS NOT NULL THEN
    RETURN;
  END IF;

  -- Transactions of applications are under way. One that waits for this while this waits for it would be ended by
  -- PostgreSQL after a second (deadlock_timeout): this gives way before.
  PERFORM set_config('lock_timeout', '500ms', true);
  LOOP
    BEGIN
      LOCK TABLE eventree_outbox.parcel, eventree_outbox.marker, eventree_outbox.recorder;
      EXIT;
    EXCEPTION WHEN lock_not_available THEN
      PERFORM pg_sleep(0.1);
    END;
  END LOOP;
  PERFORM set_config('lock_timeout', before, true);

  ALTER TABLE eventree_outbox.parcel
    -- Refs of the resources that it is still to put, without those that no API takes.
    ADD COLUMN puts text[] NOT NULL DEFAULT '{}',
    -- A relay has it: no other takes it before. From here on `retry_at` is of parcels that were refused.
    ADD COLUMN claimed_until timestamptz;

  -- What waits for nothing, highest first; what waits for a scope, by scope; what was refused, by when it is due. A
  -- claim changes nothing that these are of.
  DROP INDEX eventree_outbox.parcel_depth_id_idx;
  CREATE INDEX parcel_depth_id_idx ON eventree_outbox.parcel (depth, id)
    WHERE waits_for IS NULL AND error IS NULL;
  CREATE INDEX parcel_scope_idx ON eventree_outbox.parcel (waits_for, depth, id)
    WHERE waits_for IS NOT NULL AND error IS NULL;
  CREATE INDEX parcel_refused_idx ON eventree_outbox.parcel (coalesce(retry_at, '-infinity'::timestamptz))
    WHERE error IS NOT NULL;
  CREATE INDEX parcel_puts_idx ON eventree_outbox.parcel (id) WHERE puts <> '{}';
  -- Each look-up would read through what was not sorted in yet.
  ALTER INDEX eventree_outbox.parcel_ends_idx SET (fastupdate = off);
  PERFORM gin_clean_pending_list('eventree_outbox.parcel_ends_idx');

  -- A resource that a relay puts, or has put. No two relays put it at once; and a parcel that is moved after a later one,
  -- as one that was refused at first, does not undo what the later one has put.
  CREATE TABLE eventree_outbox.resource (
    ref         text        PRIMARY KEY,
    -- Which relay holds it, and for how long at most; null where none does.
    relay       uuid,
    held_until  timestamptz NOT NULL,
    -- Ids of the parcels by which its name and its ACL were put.
    name_put_by bigint      NOT NULL DEFAULT 0,
    acl_put_by  bigint      NOT NULL DEFAULT 0
  );
  CREATE INDEX resource_relay_idx ON eventree_outbox.resource (relay) WHERE relay IS NOT NULL;
  CREATE INDEX resource_put_by_idx ON eventree_outbox.resource (greatest(name_put_by, acl_put_by));

  -- A scope is marked once by itself, and once by each transaction that does not see it marked.
  ALTER TABLE eventree_outbox.marker
    -- 0 for one that was marked by itself.
    ADD COLUMN written_in xid8 NOT NULL DEFAULT '0',
    DROP CONSTRAINT marker_pkey,
    ADD PRIMARY KEY (id, written_in);

  -- Scopes that have ended while other transactions that have marked them may be open: a marker that comes with such a
  -- commit is removed.
  CREATE TABLE eventree_outbox.ended (
    id          uuid NOT NULL,
    -- They are over when no transaction before this one is open; null until the end is seen to be committed.
    open_before xid8
  );
  CREATE INDEX ended_id_idx ON eventree_outbox.ended (id);

  CREATE INDEX recorder_expires_at_idx ON eventree_outbox.recorder (expires_at);

  -- Whoever may write parcels may write to the new tables.
  FOR who IN
    SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
    FROM pg_class, aclexplode(relacl)
    WHERE oid = 'eventree_outbox.parcel'::regclass AND privilege_type = 'INSERT' AND grantee <> relowner
  LOOP
    EXECUTE format(
      'GRANT SELECT, INSERT, UPDATE, DELETE ON eventree_outbox.resource, eventree_outbox.ended TO %s', who
    );
  END LOOP;
END $outbox$;
