-- Most of what an append costs PostgreSQL beside the rows themselves is starting statements. What is asked before the
-- events are inserted is asked at once, resources are inserted where there are any to insert, and a chunk's row is updated
-- where it stood in an INSERT … ON CONFLICT: nobody else writes it under the journal's lock. All else is as it was.

CREATE OR REPLACE FUNCTION eventree_append(
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
  visible_to_actors boolean[],
  id_span         uuid[],
  occurred_span   timestamptz[]
) RETURNS TABLE (first_position bigint, recorded_at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  base bigint;
  taken_at timestamptz;
  registry_changed boolean;
  acl_changed boolean;
  marked boolean;
BEGIN
  UPDATE journal j
  SET head = j.head + cardinality(ids),
      recorded_at = greatest(j.recorded_at, date_trunc('milliseconds', clock_timestamp()))
  WHERE j.id = journal_of
  RETURNING j.head - cardinality(ids), j.recorded_at INTO base, taken_at;

  SELECT
    (SELECT i.registry_version FROM installation i) <> registry,
    EXISTS (
      SELECT FROM unnest(refs, versions) AS judged (ref, version)
      LEFT JOIN resource r ON r.ref = judged.ref
      WHERE coalesce(r.version, 0) <> judged.version
    ),
    EXISTS (SELECT FROM eventree_outbox.marker)
  INTO registry_changed, acl_changed, marked;
  IF registry_changed THEN
    RAISE EXCEPTION 'the registry has changed' USING ERRCODE = 'ET001';
  END IF;
  IF acl_changed THEN
    RAISE EXCEPTION 'the ACL of a resource has changed' USING ERRCODE = 'ET002';
  END IF;

  IF 0 = ANY(versions) THEN
    INSERT INTO resource (ref, type, owners, view_meta, view_data, view_acl, edit_meta, edit_data, edit_acl, manage, delete)
    SELECT judged.ref, split_part(judged.ref, '/', 1), ARRAY[judged.owner], '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'
    FROM unnest(refs, versions, owners) AS judged (ref, version, owner)
    WHERE judged.version = 0;
  END IF;

  INSERT INTO event (
    id, journal_id, position, type, category, severity, message, masked_message, words, occurred_at, recorded_at,
    resource, actor, active_claim, session_id, correlation_id, path, attributes, payload, private_payload, recorded_by,
    visible_to_actor
  )
  SELECT
    e.id, journal_of, base + e.nth, e.type, e.category::"Category", e.severity::"Severity", e.message, e.masked, e.words,
    e.occurred_at, taken_at, e.resource, e.actor, e.active_claim, e.session_id, e.correlation_id, e.path::uuid[],
    e.attributes::jsonb, e.payload::json, e.private_payload::json, e.recorder, e.visible_to_actor
  FROM unnest(
    ids, types, categories, severities, messages, masked_messages, words, occurred_ats, resources, actors,
    active_claims, session_ids, correlation_ids, paths, attributes, payloads, private_payloads, recorders,
    visible_to_actors
  ) WITH ORDINALITY AS e (
    id, type, category, severity, message, masked, words, occurred_at, resource, actor,
    active_claim, session_id, correlation_id, path, attributes, payload, private_payload, recorder, visible_to_actor, nth
  );

  -- The marker of a call has the id of the call's event (src/outbox): from here on the event is there to tell of the
  -- call, so both change places in one commit, and no crash between them leaves a call that is taken for lost. Mostly
  -- nothing is marked, and then nothing is looked up. One that a transaction of an application is at work on is left
  -- to it: all others would wait for that transaction.
  IF marked THEN
    DELETE FROM eventree_outbox.marker m
    WHERE (m.id, m.written_in) IN (
      SELECT k.id, k.written_in FROM eventree_outbox.marker k WHERE k.id = ANY(ids) FOR UPDATE SKIP LOCKED
    );
  END IF;

  FOR n IN (base >> 12)::integer .. ((base + cardinality(ids) - 1) >> 12)::integer LOOP
    UPDATE journal_chunk c SET
      min_id = least(c.min_id, id_span[1]),
      max_id = greatest(c.max_id, id_span[2]),
      min_occurred_at = least(c.min_occurred_at, occurred_span[1]),
      max_occurred_at = greatest(c.max_occurred_at, occurred_span[2]),
      max_recorded_at = taken_at
    WHERE c.journal_id = journal_of AND c.chunk = n;
    IF NOT FOUND THEN
      INSERT INTO journal_chunk (
        journal_id, chunk, min_id, max_id, min_occurred_at, max_occurred_at, min_recorded_at, max_recorded_at
      )
      VALUES (journal_of, n, id_span[1], id_span[2], occurred_span[1], occurred_span[2], taken_at, taken_at);
    END IF;
  END LOOP;

  RETURN QUERY SELECT base + 1, taken_at;
END $$;
