import type { Pool } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createClient } from '../../src/client/index.ts';
import { type DeclarationsInput, defineTypes, parseDeclarations } from '../../src/events/declaration.ts';
import {
  type Actions,
  createRecorder,
  declarations,
  defineResourceType,
  type Recorder,
  RecorderError,
  type RecorderOptions,
} from '../../src/recorder/index.ts';
import { freePort } from '../support/redis.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { unique, worldForFile } from '../support/world.ts';
import { type EventNode, eventsIn, outline } from './support/outline.ts';

const world = worldForFile();
const serverUrl = () => String(world().servers[0]?.url);
const adminToken = () => world().token({ groups: ['admin'] });
const admin = () => createClient({ url: serverUrl(), token: adminToken });

/** Deployments in a journal of their own, declared. */
async function deploymentType(name = 'deployment') {
  const journal = unique('journal');
  const type = defineResourceType(name, { actions: ['start', 'stop'], journal });
  await type.declare(admin());
  return { type, journal };
}

function recorderAt(
  url = serverUrl(),
  subject = 'service',
  options: Partial<RecorderOptions> = {},
): Recorder {
  const token = () => world().token({ subject, groups: ['admin'] });
  const recorder = createRecorder({ url, token, onError: () => {}, closeTimeoutMs: 500, ...options });
  onTestFinished(() => recorder.close());
  return recorder;
}

/** Writes to Eventree's own database. */
function recorderOf(database: Pool): Recorder {
  const recorder = createRecorder({ database, as: 'user/service', onError: () => {}, closeTimeoutMs: 500 });
  onTestFinished(() => recorder.close());
  return recorder;
}

/** What waits to be recorded is there, one event below the other. */
async function written(recorder: Recorder, journal: string): Promise<string[]> {
  await recorder.flush();
  return outline(world(), journal);
}

describe('a type of resource', () => {
  test('declares its actions, each with its ends', () => {
    const deployment = defineResourceType('deployment', { actions: ['start'] });
    const { eventTypes } = declarations(deployment);
    const brief = Object.entries(eventTypes).map(([name, { category, severity }]) =>
      [name, category, severity].join(' '),
    );
    expect(brief).toEqual([
      'deployment.create CRUD MEDIUM',
      'deployment.create.completed CRUD LOW',
      'deployment.create.failed CRUD HIGH',
      'deployment.update CRUD MEDIUM',
      'deployment.update.completed CRUD LOW',
      'deployment.update.failed CRUD HIGH',
      'deployment.destroy CRUD MEDIUM',
      'deployment.destroy.completed CRUD LOW',
      'deployment.destroy.failed CRUD HIGH',
      'deployment.start ACTION MEDIUM',
      'deployment.start.completed ACTION LOW',
      'deployment.start.failed ACTION HIGH',
    ]);
    expect(eventTypes['deployment.create']?.messageTemplate).toBe('{actor} set out to create {resource}');
    expect(eventTypes['deployment.create.completed']?.messageTemplate).toBe(
      'The creation of {resource} has completed',
    );
  });

  test('fits into a declaration file, with others', () => {
    const deployment = defineResourceType('deployment', {
      actions: ['start'],
      attributes: { replicas: { kind: 'INTEGER' } },
      change: { 'deployment.start': { severity: 'HIGH', attributes: { replicas: { required: true } } } },
    });
    const input: DeclarationsInput = defineTypes(declarations(deployment, defineResourceType('job')));
    const { attributes, eventTypes } = parseDeclarations(input);
    expect(attributes).toHaveProperty('replicas');
    expect(eventTypes['deployment.start']).toMatchObject({
      severity: 'HIGH',
      messageTemplate: '{actor} set out to start {resource}',
      attributes: { params: { required: false }, replicas: { required: true } },
    });
    expect(eventTypes).toHaveProperty('job.destroy.failed');
  });

  test.each([
    ['a name that is none', () => defineResourceType('a b')],
    ['an action that is none', () => defineResourceType('a', { actions: ['b.c'] })],
    ['an action twice', () => defineResourceType('a', { actions: ['b', 'b'] })],
    ['an action that is always there', () => defineResourceType('a', { actions: ['create'] })],
    [
      'a name too long for an event type',
      () => defineResourceType('a'.repeat(64), { actions: ['b'.repeat(64)] }),
    ],
    // As a program without types could write it.
    ['a switch of nothing', () => defineResourceType('a', { events: { 'a.begin': false } as object })],
    ['a change of nothing', () => defineResourceType('a', { change: { 'a.begin': {} } as object })],
  ])('refuses %s', (_, define) => {
    expect(define).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }));
  });

  test('is declared over the API once, and stays disabled where it was', async () => {
    const name = unique('disk');
    const disk = defineResourceType(name as string, {
      attributes: { [`${name}-size`]: { kind: 'JSON' } },
      change: { [`${name}.create`]: { attributes: { [`${name}-size`]: {} } } },
    });
    const client = admin();
    let mutations = 0;
    const counting = {
      query: (async (document: string, variables?: Readonly<Record<string, unknown>>) => {
        if (document.startsWith('mutation')) mutations++;
        return client.query(document, variables);
      }) as typeof client.query,
    };
    await disk.declare(counting);
    expect(mutations).toBe(10);
    await disk.declare(counting);
    expect(mutations).toBe(10);

    await disable(`${name}.create`);
    const louder = defineResourceType(name, {
      change: { [`${name}.create`]: { severity: 'CRITICAL' as const } },
    });
    await louder.declare(counting);
    expect(mutations).toBe(11);
    const { eventType } = await world().ask(
      'query ($name: String!) { eventType(name: $name) { enabled severity } }',
      { name: `${name}.create` },
    );
    expect(eventType).toEqual({ enabled: false, severity: 'CRITICAL' });
  });
});

/** As an administrator would. */
async function disable(type: string): Promise<void> {
  const { eventType } = await world().ask(
    'query ($name: String!) { eventType(name: $name) { category attributes { attribute { name } } } }',
    { name: type },
  );
  const attributes = eventType.attributes.map((each: { attribute: object }) => each.attribute);
  const input = { name: type, category: eventType.category, attributes, enabled: false };
  await world().ask('mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }', {
    input,
  });
}

describe('an action', () => {
  test('is recorded before it runs, and its end below', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const deployments = type.with(recorder);
    const options = { actor: 'user/jane', attributes: { params: { zone: 'a', password: 'x' } } };
    const result = await deployments.run('start', '1', options, async ({ id, resource }) => {
      const [start, ...others] = await eventsIn(world(), journal);
      expect(others).toEqual([]);
      expect(start).toMatchObject({
        id,
        type: { name: 'deployment.start' },
        actor: 'user/jane',
        message: 'user/jane set out to start deployment/1',
        attributes: { params: { zone: 'a', password: '[redacted]' } },
      });
      expect(resource).toBe('deployment/1');
      return 'started';
    });
    expect(result).toBe('started');
    expect(await written(recorder, journal)).toEqual([
      'deployment.start deployment/1',
      '  deployment.start.completed deployment/1',
    ]);
    const [, end] = await eventsIn(world(), journal);
    expect(end).toMatchObject({
      actor: 'user/jane',
      severity: 'LOW',
      message: 'The start of deployment/1 has completed',
      attributes: { elapsed_ms: expect.any(Number) },
    });
  });

  test('takes a reference as well as an id', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    await type.with(recorder).run('stop', 'deployment/2', () => {});
    expect((await written(recorder, journal))[0]).toBe('deployment.stop deployment/2');
  });

  test('that fails says why, and throws what it threw', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const thrown = Object.assign(new Error('no room'), { name: 'Cloud.QuotaExceeded' });
    const running = type.with(recorder).run('start', '1', () => {
      throw thrown;
    });
    await expect(running).rejects.toBe(thrown);
    expect(await written(recorder, journal)).toEqual([
      'deployment.start deployment/1',
      '  deployment.start.failed deployment/1',
    ]);
    const [, end] = await eventsIn(world(), journal);
    expect(end).toMatchObject({
      severity: 'HIGH',
      message: 'The start of deployment/1 has failed: QuotaExceeded',
      attributes: {
        error: 'QuotaExceeded',
        error_value: 'no room',
        where: expect.stringMatching(/resource-type\.test\.ts:\d+$/),
        elapsed_ms: expect.any(Number),
      },
    });
  });

  test('may tell of its result, and which resource it made', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const options = {
      summary: ({ zone }: { zone: string }) => ({ zone }),
      created: ({ id }: { id: string }) => id,
    };
    await type.with(recorder).run('create', null, options, () => ({ id: '7', zone: 'b' }));
    expect(await written(recorder, journal)).toEqual([
      'deployment.create',
      '  deployment.create.completed deployment/7',
    ]);
    expect((await eventsIn(world(), journal))[1]?.payload).toEqual({ zone: 'b' });
  });

  test('keeps its result and its end where what is told of it cannot be found out', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const errors: unknown[] = [];
    const deployments = type.with(recorder, { onError: (sentence, error) => errors.push([sentence, error]) });
    const no = new Error('no');
    const fails = () => {
      throw no;
    };
    expect(await deployments.run('start', '1', { summary: fails }, () => 5)).toBe(5);
    const options = { summary: () => ({ zone: 'b' }), created: fails };
    expect(await deployments.run('create', null, options, () => 6)).toBe(6);
    expect(errors).toEqual([
      ['The end of deployment.start of deployment/1 is recorded without its summary.', no],
      ['The end of deployment.create is recorded without the resource that was created.', no],
    ]);
    expect(await written(recorder, journal)).toEqual([
      'deployment.start deployment/1',
      '  deployment.start.completed deployment/1',
      'deployment.create',
      '  deployment.create.completed',
    ]);
    expect((await eventsIn(world(), journal)).map(({ payload }) => payload)).toEqual([
      null,
      null,
      null,
      { zone: 'b' },
    ]);
  });

  test('keeps its result where who is told of failures fails', async () => {
    const { type } = await deploymentType();
    const fails = () => {
      throw new Error('no');
    };
    const deployments = type.with(recorderAt(), { onError: fails });
    expect(await deployments.run('start', '1', { summary: fails }, () => 5)).toBe(5);
  });

  test('tells of its failure as a call does: without what is private, and no stack of what is expected', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt(serverUrl(), 'service', {
      private: ['iban'],
      secrets: ['plate'],
      isExpected: (error) => error instanceof RangeError,
    });
    const deployments = type.with(recorder);
    const fail = (error: Error) => () => Promise.reject(error);
    await deployments.run('start', '1', fail(new RangeError('iban="DE89" plate=B-1'))).catch(() => {});
    await deployments.run('start', '2', fail(new Error('iban="DE89" plate=B-1'))).catch(() => {});
    const handle = await deployments.begin('start', '3');
    await deployments.resume(handle).fail(new RangeError('iban="DE89" plate=B-1'));
    await deployments.runAll('stop', ['4'], { bulk: 'top' }, fail(new RangeError('iban="DE89" plate=B-1')));
    await recorder.flush();
    const events = await eventsIn(world(), journal);
    expect(JSON.stringify(events)).not.toMatch(/DE89|B-1/);
    const endOf = (ref: string | null) =>
      events.find(({ type, resource }) => type.name.endsWith('.failed') && (resource?.ref ?? null) === ref);
    const [expected, unexpected, resumed] = ['1', '2', '3'].map((id) => endOf(`deployment/${id}`));
    const attributes = { error: 'RangeError', error_value: 'iban="[private]" plate=[redacted]' };
    expect(expected).toMatchObject({ attributes, privatePayload: null });
    expect(expected?.attributes).not.toHaveProperty('stack');
    expect(unexpected).toMatchObject({
      attributes: { stack: expect.stringContaining('[private]') },
      privatePayload: null,
    });
    expect(resumed).toMatchObject({ attributes, privatePayload: null });
    expect(resumed?.attributes).not.toHaveProperty('stack');
    const failures = [{ resource: 'deployment/4', ...attributes }];
    expect(endOf(null)).toMatchObject({ payload: { bulk: { failures } }, privatePayload: null });
  });

  test('that there is not is refused', async () => {
    const { type } = await deploymentType();
    const deployments = type.with(recorderAt());
    const launched = deployments.run('launch' as 'start', '1', () => {});
    await expect(launched).rejects.toMatchObject({ code: 'BAD_INPUT' });
    await expect(deployments.run('start', '', () => {})).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  test('within a call is found by its id, with its actor and session', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const deployments = type.with(recorder);
    let callId = '';
    await recorder.call('deploy', { actor: 'user/jane', session: 's-1', journal }, async (call) => {
      callId = call.id;
      await deployments.run('start', '1', async () => {
        // Where it hangs is there already, which the call is not.
        expect(await outline(world(), journal)).toEqual(['deployment.start deployment/1']);
      });
    });
    await recorder.call('deploy', { correlationId: 'c-1', journal }, () =>
      deployments.run('stop', '1', () => {}),
    );
    await recorder.flush();
    const events = await eventsIn(world(), journal);
    const ofActions = (name: string) =>
      events.filter(({ type }) => type.name.startsWith(`deployment.${name}`));
    const [start, end] = ofActions('start');
    const said = { actor: 'user/jane', sessionId: 's-1', correlationId: callId };
    expect(start).toMatchObject({ type: { name: 'deployment.start' }, parent: null, ...said });
    expect(end).toMatchObject({ type: { name: 'deployment.start.completed' }, ...said });
    expect(ofActions('stop').map(({ correlationId }) => correlationId)).toEqual(['c-1', 'c-1']);
  });

  test('within a call has its claim, unless it has an actor or a claim of its own', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const deployments = type.with(recorder);
    const options = { actor: 'user/jane', activeClaim: 'group/ops', journal };
    await recorder.call('deploy', options, async () => {
      await deployments.run('start', '1', () => deployments.run('update', '1', () => {}));
      await deployments.run('start', '2', { actor: 'user/joe' }, () => {});
      await deployments.run('start', '3', { activeClaim: 'group/bank' }, () => {});
    });
    await recorder.flush();
    const events = (await eventsIn(world(), journal)).filter(({ type }) => type.name !== 'call');
    const claims = new Set(
      events.map(({ resource, actor, activeClaim }) => [resource?.ref, actor, activeClaim].join(' ')),
    );
    expect([...claims]).toEqual([
      'deployment/1 user/jane group/ops',
      'deployment/2 user/joe ',
      'deployment/3 user/jane group/bank',
    ]);
    expect(events).toHaveLength(8);
  });

  test('within an action hangs below its start, also of another type of resource', async () => {
    const { type, journal } = await deploymentType();
    const job = defineResourceType('job', { journal });
    await job.declare(admin());
    const recorder = recorderAt();
    const options = { actor: 'user/jane', correlationId: 'c-2' };
    await type.with(recorder).run('start', '1', options, async () => {
      await job.with(recorder).run('create', '9', () => {});
      await recorder.call('other', { actor: 'user/joe' }, () =>
        job.with(recorder).run('destroy', '9', () => {}),
      );
    });
    expect(await written(recorder, journal)).toEqual([
      'deployment.start deployment/1',
      '  job.create job/9',
      '    job.create.completed job/9',
      '  job.destroy job/9',
      '    job.destroy.completed job/9',
      '  deployment.start.completed deployment/1',
    ]);
    const events = await eventsIn(world(), journal);
    const actors = events.map(({ type, actor, correlationId }) => [type.name, actor, correlationId]);
    expect(actors.filter(([name]) => name?.startsWith('job.create'))).toEqual([
      ['job.create', 'user/jane', 'c-2'],
      ['job.create.completed', 'user/jane', 'c-2'],
    ]);
    // What began last counts.
    expect(actors.find(([name]) => name === 'job.destroy')?.[1]).toBe('user/joe');
  });

  test('does not hang below an action of another recorder, or one that has ended', async () => {
    const { type, journal } = await deploymentType();
    const [one, other] = [recorderAt(), recorderAt()];
    await type.with(one).run('start', '1', () => type.with(other).run('stop', '2', () => {}));
    await type.with(one).run('stop', '1', () => {});
    await other.flush();
    const roots = (await written(one, journal)).filter((line) => !line.startsWith(' '));
    expect(roots).toEqual([
      'deployment.start deployment/1',
      'deployment.stop deployment/2',
      'deployment.stop deployment/1',
    ]);
  });
});

describe('an action whose start cannot be recorded', () => {
  test('is refused, and what may have been recorded of it is ended', { timeout: 60_000 }, async () => {
    const { type, journal } = await deploymentType();
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const recorder = recorderAt(`http://127.0.0.1:${proxy.port}`);
    const deployments = type.with(recorder, { withinMs: 500 });
    proxy.refuse(true);
    let ran = false;
    const refused = deployments.run('start', '1', () => {
      ran = true;
    });
    await expect(refused).rejects.toMatchObject({ code: 'UNRECORDED' });
    expect(ran).toBe(false);
    proxy.refuse(false);
    expect(await written(recorder, journal)).toEqual([
      'deployment.start deployment/1',
      '  deployment.start.failed deployment/1',
    ]);
    expect((await eventsIn(world(), journal))[1]?.attributes).toMatchObject({ error: 'Unrecorded' });
  });

  test('is refused where the server refuses it, and leaves nothing', async () => {
    const { type, journal } = await deploymentType();
    const token = () => world().token({ subject: 'stranger' });
    await world().ask('mutation { putResource(input: { ref: "deployment/theirs" }) { ref } }');
    const recorder = createRecorder({ url: serverUrl(), token, onError: () => {} });
    onTestFinished(() => recorder.close());
    let ran = false;
    const refused = type.with(recorder).run('start', 'theirs', () => {
      ran = true;
    });
    await expect(refused).rejects.toMatchObject({
      code: 'UNRECORDED',
      message: expect.stringContaining('theirs'),
    });
    expect(ran).toBe(false);
    expect(await written(recorder, journal)).toEqual([]);
    expect(recorder.stats().refused).toBe(0);
  });

  test('goes on where it is told to, and is recorded when that can be', { timeout: 60_000 }, async () => {
    const { type, journal } = await deploymentType();
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const recorder = recorderAt(`http://127.0.0.1:${proxy.port}`);
    const errors: string[] = [];
    const deployments = type.with(recorder, {
      onUnrecorded: 'go on',
      withinMs: 500,
      onError: (sentence) => errors.push(sentence),
    });
    proxy.refuse(true);
    const result = await deployments.run('start', '1', () => deployments.run('stop', '2', () => 'done'));
    expect(result).toBe('done');
    expect(errors).toHaveLength(2);
    expect(errors[0]).toBe(
      'The action goes on although the start of deployment.start of deployment/1 could not be recorded.',
    );
    proxy.refuse(false);
    // Both ends were on their way at the same time.
    expect((await written(recorder, journal)).toSorted()).toEqual([
      '    deployment.stop.completed deployment/2',
      '  deployment.start.completed deployment/1',
      '  deployment.stop deployment/2',
      'deployment.start deployment/1',
    ]);
  });

  test('is recorded once where only the answer was lost', async () => {
    const { type, journal } = await deploymentType();
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const recorder = recorderAt(`http://127.0.0.1:${proxy.port}`);
    const lost = proxy.loseAnswerTo('deployment.start');
    let runs = 0;
    await type.with(recorder).run('start', '1', () => {
      runs++;
    });
    await lost;
    expect(runs).toBe(1);
    expect(await written(recorder, journal)).toEqual([
      'deployment.start deployment/1',
      '  deployment.start.completed deployment/1',
    ]);
  });
});

test('an end that cannot be recorded yet is tried again, and changes no result', {
  timeout: 60_000,
}, async () => {
  const { type, journal } = await deploymentType();
  const proxy = await startTcpProxy(addressOf(serverUrl()));
  const recorder = recorderAt(`http://127.0.0.1:${proxy.port}`);
  const result = await type.with(recorder).run('start', '1', () => {
    proxy.refuse(true);
    return 'started';
  });
  expect(result).toBe('started');
  expect(await outline(world(), journal)).toEqual(['deployment.start deployment/1']);
  proxy.refuse(false);
  expect(await written(recorder, journal)).toHaveLength(2);
});

describe('an action under way', () => {
  /** One that runs until it is told to end. */
  function running(deployments: Pick<Actions<'start'>, 'run'>) {
    let end = () => {};
    const gate = new Promise<void>((resolve) => {
      end = resolve;
    });
    let begun = () => {};
    const begins = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const result = deployments.run('start', '1', async () => {
      begun();
      await gate;
      return 'done';
    });
    return { begins, end: () => end(), result };
  }

  test('is waited for on closing, with what it does meanwhile', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt(serverUrl(), 'service', { closeTimeoutMs: 10_000 });
    const deployments = type.with(recorder);
    let isClosing = () => {};
    const closing = new Promise<void>((resolve) => {
      isClosing = resolve;
    });
    const result = deployments.run('start', '1', async () => {
      await closing;
      await deployments.run('update', '1', () => {});
      return 'done';
    });
    await expect.poll(() => outline(world(), journal), { timeout: 20_000 }).toHaveLength(1);
    expect(recorder.stats().calls).toBe(1);
    const closed = recorder.close();
    // What is none of it begins no more.
    const late = deployments.run('stop', '2', () => {});
    await expect(late).rejects.toMatchObject({ code: 'UNRECORDED', cause: { code: 'CLOSED' } });
    isClosing();
    await closed;
    expect(await result).toBe('done');
    expect(await outline(world(), journal)).toEqual([
      'deployment.start deployment/1',
      '  deployment.update deployment/1',
      '    deployment.update.completed deployment/1',
      '  deployment.start.completed deployment/1',
    ]);
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 0 });
  });

  test('brings its end into a buffer that is full by then', { timeout: 60_000 }, async () => {
    const { type, journal } = await deploymentType();
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const recorder = recorderAt(`http://127.0.0.1:${proxy.port}`, 'service', {
      journal,
      maxBufferedEvents: 2,
      fullTimeoutMs: 100,
    });
    const errors: string[] = [];
    const deployments = type.with(recorder, { onError: (sentence) => errors.push(sentence) });
    const { begins, end, result } = running(deployments);
    await begins;
    proxy.refuse(true);
    const note = { type: 'note', message: 'fills it' };
    await recorder.record(note);
    await recorder.record(note);
    await expect(recorder.record(note)).rejects.toMatchObject({ code: 'BUFFER_FULL' });
    // One that has not begun does not, and leaves nothing.
    const refused = deployments.run('stop', '2', () => {});
    await expect(refused).rejects.toMatchObject({ code: 'UNRECORDED', cause: { code: 'BUFFER_FULL' } });
    end();
    expect(await result).toBe('done');
    expect(errors).toEqual([]);
    proxy.refuse(false);
    expect((await written(recorder, journal)).toSorted()).toEqual([
      '  deployment.start.completed deployment/1',
      'deployment.start deployment/1',
      'note',
      'note',
    ]);
  });

  test('that goes on unrecorded without room is told of, and what it brings waits for some', async () => {
    const { type, journal } = await deploymentType();
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const recorder = recorderAt(`http://127.0.0.1:${proxy.port}`, 'service', {
      journal,
      maxBufferedEvents: 1,
      fullTimeoutMs: 100,
    });
    const errors: string[] = [];
    const deployments = type.with(recorder, {
      onUnrecorded: 'go on',
      onError: (sentence) => errors.push(sentence),
    });
    proxy.refuse(true);
    await recorder.record({ type: 'note', message: 'fills it' });
    expect(await deployments.run('start', '1', () => 5)).toBe(5);
    expect(errors).toEqual([
      'The action goes on although the start of deployment.start of deployment/1 could not be recorded.',
      'The end of deployment.start of deployment/1 could not be recorded.',
    ]);
    const done = await deployments.run('start', '2', async () => {
      proxy.refuse(false);
      await recorder.flush();
      return 6;
    });
    expect(done).toBe(6);
    expect((await written(recorder, journal)).toSorted()).toEqual([
      '  deployment.start.completed deployment/2',
      'deployment.start deployment/2',
      'note',
    ]);
  });

  test('that has waited for room gives up its place at its end', async () => {
    const { type, journal } = await deploymentType();
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const recorder = recorderAt(`http://127.0.0.1:${proxy.port}`, 'service', {
      journal,
      maxBufferedEvents: 1,
      fullTimeoutMs: 20_000,
    });
    proxy.refuse(true);
    await recorder.record({ type: 'note', message: 'fills it' });
    const deployments = type.with(recorder);
    const waiting = Promise.all(['1', '2', '3'].map((id) => deployments.run('start', id, () => id)));
    proxy.refuse(false);
    expect(await waiting).toEqual(['1', '2', '3']);
    expect(await written(recorder, journal)).toHaveLength(7);
  });

  test('within a call takes no room from the calls that wait for it', async () => {
    const { type, journal } = await deploymentType();
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const recorder = recorderAt(`http://127.0.0.1:${proxy.port}`, 'service', {
      journal,
      maxBufferedEvents: 1,
      fullTimeoutMs: 20_000,
      markers: false,
    });
    proxy.refuse(true);
    await recorder.record({ type: 'note', message: 'fills it' });
    const call = recorder.call('waits', () => type.with(recorder).run('start', '1', () => 'done'));
    proxy.refuse(false);
    // The call has the only place until it ends.
    expect(await call).toBe('done');
    await recorder.flush();
    expect(await outline(world(), journal)).toHaveLength(4);
  });

  test('is not what goes on behind its end: that begins no more when the recorder is closed', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const deployments = type.with(recorder);
    let close = () => {};
    const closing = new Promise<void>((resolve) => {
      close = resolve;
    });
    let behind: Promise<unknown> = Promise.resolve();
    await deployments.run('start', '1', () => {
      behind = closing.then(() => deployments.run('stop', '1', () => {})).catch((error: unknown) => error);
    });
    const closed = recorder.close();
    close();
    expect(await behind).toMatchObject({ code: 'UNRECORDED', cause: { code: 'CLOSED' } });
    await closed;
    expect(await outline(world(), journal)).toHaveLength(2);
  });
});

test('actions are bound to a recorder of our own', () => {
  // What a caller without types may give.
  const stranger = { current: () => null } as unknown as Recorder;
  expect(() => defineResourceType('deployment').with(stranger)).toThrow(
    expect.objectContaining({ code: 'BAD_INPUT' }),
  );
});

test('an end that will never be recorded changes no result', async () => {
  const { type } = await deploymentType();
  const recorder = recorderAt();
  const errors: string[] = [];
  const deployments = type.with(recorder, { onError: (sentence) => errors.push(sentence) });
  const result = await deployments.run('start', '1', async () => {
    await recorder.close();
    return 'started';
  });
  expect(result).toBe('started');
  expect(errors).toEqual(['The end of deployment.start of deployment/1 could not be recorded.']);
});

describe('events of an action are seen', () => {
  test('by who may view the resource, and by its actor', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const ref = `deployment/${unique('seen')}`;
    await world().ask('mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }', {
      input: { ref, acl: { owners: ['user/service'], viewMeta: ['user/viewer'], viewData: ['user/viewer'] } },
    });
    await type.with(recorder).run('start', ref, { actor: 'user/jane' }, () => {});
    await recorder.flush();
    const seenBy = async (subject: string) => {
      const client = createClient({ url: serverUrl(), token: await world().token({ subject }) });
      return (await client.events(null, { journal })).nodes.length;
    };
    expect(await seenBy('viewer')).toBe(2);
    expect(await seenBy('jane')).toBe(2);
    expect(await seenBy('stranger')).toBe(0);
  });
});

describe('switched off', () => {
  test.each([
    ['a resource type', { enabled: false }, []],
    [
      'an event type',
      { events: { 'deployment.start': false } },
      [
        'deployment.start.completed deployment/1',
        'deployment.update deployment/1',
        '  deployment.update.completed deployment/1',
      ],
    ],
    [
      'an end',
      { events: { 'deployment.start.completed': false } },
      [
        'deployment.start deployment/1',
        'deployment.update deployment/1',
        '  deployment.update.completed deployment/1',
      ],
    ],
    [
      'a category',
      { categories: { CRUD: false } },
      ['deployment.start deployment/1', '  deployment.start.completed deployment/1'],
    ],
  ] as const)('%s records nothing, and its actions run', async (_, switches, expected) => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const deployments = type.with(recorder, switches);
    expect(await deployments.run('start', '1', ({ id }) => typeof id)).toMatch(/string|object/);
    await deployments.run('update', '1', () => {});
    // One that ends is gathered with others, while the next starts at once.
    expect((await written(recorder, journal)).toSorted()).toEqual([...expected].toSorted());
  });

  test('at the definition, it can be switched on where it is used', async () => {
    const journal = unique('journal');
    const quiet = defineResourceType('deployment', {
      journal,
      enabled: false,
      events: { 'deployment.create.completed': false },
      categories: { CRUD: false },
    });
    const recorder = recorderAt();
    await quiet.with(recorder).run('create', '1', () => {});
    await quiet.with(recorder, { enabled: true, categories: { CRUD: true } }).run('create', '2', () => {});
    expect(await written(recorder, journal)).toEqual(['deployment.create deployment/2']);
    expect(() => quiet.with(recorder, { events: { 'deployment.begin': true } as object })).toThrow(
      RecorderError,
    );
  });

  test('an action needs no server', async () => {
    const recorder = recorderAt(`http://127.0.0.1:${await freePort()}`);
    const deployments = defineResourceType('deployment').with(recorder, { enabled: false });
    expect(await deployments.run('create', '1', ({ id }) => id)).toBeNull();
  });

  test.each([
    ['over the API', () => recorderAt()],
    ['through an outbox', () => recorderOf(world().db)],
  ])('by an administrator, %s, a start leaves its end at the root', async (_, open) => {
    const { type, journal } = await deploymentType(unique('disk'));
    await disable(`${type.name}.start`);
    const recorder = open();
    const disks = type.with(recorder);
    await disks.run('start', '1', () => disks.run('stop', '2', () => {}));
    expect(await written(recorder, journal)).toEqual([
      `${type.name}.stop ${type.name}/2`,
      `  ${type.name}.stop.completed ${type.name}/2`,
      `${type.name}.start.completed ${type.name}/1`,
    ]);
  });
});

describe('one action on many resources', () => {
  const failTwo = (ref: string) => {
    if (ref === 'deployment/2') throw new Error('stuck');
    return ref;
  };

  test('records one event on top and one for each below it', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const outcomes = await type
      .with(recorder)
      .runAll('stop', ['1', '2', '3'], { actor: 'user/jane' }, failTwo);
    expect(outcomes).toEqual([
      { resource: 'deployment/1', status: 'fulfilled', value: 'deployment/1' },
      { resource: 'deployment/2', status: 'rejected', reason: expect.objectContaining({ message: 'stuck' }) },
      { resource: 'deployment/3', status: 'fulfilled', value: 'deployment/3' },
    ]);
    expect(await written(recorder, journal)).toEqual([
      'deployment.stop',
      '  deployment.stop deployment/1',
      '    deployment.stop.completed deployment/1',
      '  deployment.stop deployment/2',
      '    deployment.stop.failed deployment/2',
      '  deployment.stop deployment/3',
      '    deployment.stop.completed deployment/3',
      '  deployment.stop.failed',
    ]);
    const events = await eventsIn(world(), journal);
    expect(events[0]).toMatchObject({
      actor: 'user/jane',
      message: 'user/jane set out to stop deployment × 3',
      payload: { bulk: { count: 3, resources: ['deployment/1', 'deployment/2', 'deployment/3'] } },
    });
    expect(events.at(-1)).toMatchObject({
      message: 'The stop of deployment × 3 has failed for 1',
      attributes: { error: 'BulkFailure', error_value: '1 of 3 failed.' },
      payload: {
        bulk: {
          count: 3,
          completed: 2,
          failed: 1,
          failures: [{ resource: 'deployment/2', error: 'Error', error_value: 'stuck' }],
        },
      },
    });
    // The event on top has no resource; its actor sees it.
    const jane = createClient({ url: serverUrl(), token: await world().token({ subject: 'jane' }) });
    const seen = (await jane.events(null, { journal })).nodes;
    expect(seen.filter(({ resource }) => resource === null)).toHaveLength(2);
  });

  test.each([
    ['top', ['deployment.stop', '  deployment.stop.completed']],
    [
      'each',
      [
        'deployment.stop deployment/1',
        '  deployment.stop.completed deployment/1',
        'deployment.stop deployment/3',
        '  deployment.stop.completed deployment/3',
      ],
    ],
  ] as const)('or, by configuration, %s', async (bulk, expected) => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    await type.with(recorder, { bulk }).runAll('stop', ['1', '3'], failTwo);
    expect(await written(recorder, journal)).toEqual(expected);
    const ids = new Set((await eventsIn(world(), journal)).map(({ correlationId }) => correlationId));
    expect([...ids]).toEqual([expect.any(String)]);
  });

  function bulkOf<T>(event: EventNode | undefined): T {
    return (event?.payload as { bulk: T } | undefined)?.bulk as T;
  }

  test.each([
    ['top', 150, 0],
    ['both', 70, 2],
  ] as const)(
    'names as many of them as there is room for, and says how many it leaves out: %s',
    async (bulk, count, toldOf) => {
      const { type, journal } = await deploymentType();
      const recorder = recorderAt(serverUrl(), 'service', { maxValueChars: 2_000 });
      const ids = Array.from({ length: count }, (_, nth) => `deployment/${String(nth).padStart(36, '0')}`);
      const deployments = type.with(recorder, { bulk });
      await deployments.runAll('stop', ids, { concurrency: 20 }, async (ref) => {
        if (ref.endsWith('1')) throw new Error('It does not react: '.repeat(20));
        if (ref.endsWith('2')) throw new RangeError('no');
      });
      await recorder.flush();
      const events = await eventsIn(world(), journal);
      const [top] = events;
      const last = events.findLast(({ parent }) => parent?.id === top?.id);
      expect(JSON.stringify(events)).not.toContain('[cut');

      const start = bulkOf<{ resources: string[]; left_out: number }>(top);
      expect(start).toEqual({
        count: ids.length,
        resources: expect.any(Array),
        left_out: expect.any(Number),
      });
      expect(start.resources).toEqual(ids.slice(0, start.resources.length));
      expect(start.resources.length).toBeGreaterThan(35);
      expect(start.resources.length + start.left_out).toBe(ids.length);

      const end = bulkOf<{ failures: { resource: string; error_value?: string }[]; left_out?: number }>(last);
      const failed = ids.filter((ref) => /[12]$/.test(ref));
      const { failures, left_out = 0, ...counts } = end;
      expect(counts).toEqual({
        count: ids.length,
        completed: ids.length - failed.length,
        failed: failed.length,
      });
      const named = failures.map(({ resource }) => resource);
      expect(named).toEqual(failed.slice(0, named.length));
      expect(named.length + left_out).toBe(failed.length);
      expect(named.length).toBeGreaterThan(10);
      // Which they are comes before what each has said.
      const told = failures.filter(({ error_value }) => error_value !== undefined);
      expect(told).toEqual(failures.slice(0, toldOf));
    },
  );

  test('names them all where there is room for them', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    const ids = Array.from({ length: 250 }, () => `deployment/${crypto.randomUUID()}`);
    await type.with(recorder, { bulk: 'top' }).runAll('stop', ids, () => {});
    await recorder.flush();
    const [start] = await eventsIn(world(), journal);
    expect(start?.payload).toEqual({ bulk: { count: 250, resources: ids } });
  });

  test('goes by several at a time', async () => {
    const { type } = await deploymentType();
    let [running, most] = [0, 0];
    const refs = ['1', '2', '3', '4', '5'];
    const deployments = type.with(recorderAt());
    const outcomes = await deployments.runAll('stop', refs, { concurrency: 2, bulk: 'top' }, async (ref) => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
      return ref;
    });
    expect(most).toBe(2);
    expect(outcomes.map(({ resource }) => resource)).toEqual(refs.map((id) => `deployment/${id}`));
    await expect(deployments.runAll('stop', refs, { concurrency: 0 }, () => {})).rejects.toMatchObject({
      code: 'BAD_INPUT',
    });
  });

  test('of which there are none records nothing', async () => {
    const { type, journal } = await deploymentType();
    const recorder = recorderAt();
    expect(await type.with(recorder).runAll('stop', [], () => {})).toEqual([]);
    expect(await written(recorder, journal)).toEqual([]);
  });

  test('is not begun where the event on top cannot be recorded', async () => {
    const recorder = recorderAt(`http://127.0.0.1:${await freePort()}`);
    const deployments = defineResourceType('deployment').with(recorder, { withinMs: 100 });
    let ran = false;
    const refused = deployments.runAll('destroy', ['1'], () => {
      ran = true;
    });
    await expect(refused).rejects.toMatchObject({ code: 'UNRECORDED' });
    expect(ran).toBe(false);
  });

  test('leaves out the one whose start cannot be recorded', async () => {
    const { type } = await deploymentType();
    await world().ask('mutation { putResource(input: { ref: "deployment/alien" }) { ref } }');
    const recorder = createRecorder({
      url: serverUrl(),
      token: () => world().token({ subject: 'stranger' }),
      onError: () => {},
    });
    onTestFinished(() => recorder.close());
    const ran: string[] = [];
    const own = unique('own');
    const outcomes = await type.with(recorder).runAll('stop', ['alien', own], (ref) => void ran.push(ref));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(ran).toEqual([`deployment/${own}`]);
  });
});

describe('an action that goes on elsewhere', () => {
  test('is ended by another process below its start, once', async () => {
    const { type, journal } = await deploymentType();
    const begun = await type.with(recorderAt()).begin('start', '1', { actor: 'user/jane', session: 's-2' });
    expect(await outline(world(), journal)).toEqual(['deployment.start deployment/1']);
    const job = JSON.stringify(begun);

    const elsewhere = () => type.with(recorderAt(serverUrl(), 'runner')).resume(JSON.parse(job));
    await elsewhere().complete({ replicas: 3 });
    await expect(elsewhere().complete()).rejects.toMatchObject({ code: 'ALREADY_ENDED' });
    await expect(elsewhere().fail(new Error('late'))).rejects.toMatchObject({ code: 'ALREADY_ENDED' });
    expect(await outline(world(), journal)).toEqual([
      'deployment.start deployment/1',
      '  deployment.start.completed deployment/1',
    ]);
    const [start, end] = await eventsIn(world(), journal);
    expect(start?.id).toBe(begun.id);
    expect(end).toMatchObject({
      actor: 'user/jane',
      sessionId: 's-2',
      visibleToActor: true,
      payload: { replicas: 3 },
      attributes: { elapsed_ms: expect.any(Number) },
    });
    expect(Date.parse(String(end?.occurredAt))).toBeGreaterThanOrEqual(begun.startedAtMs);
  });

  test('is ended once by two at the same time', async () => {
    const { type, journal } = await deploymentType();
    const begun = await type.with(recorderAt()).begin('start', '1');
    const ends = [recorderAt(), recorderAt()].map((recorder, i) =>
      type
        .with(recorder)
        .resume(begun)
        .fail(new Error(`runner ${i}`)),
    );
    const outcomes = await Promise.allSettled(ends);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await outline(world(), journal)).toHaveLength(2);
  });

  test('can be ended again where that could not be recorded', async () => {
    const { type, journal } = await deploymentType();
    const begun = await type.with(recorderAt()).begin('start', '1');
    const away = recorderAt(`http://127.0.0.1:${await freePort()}`);
    const ended = type.with(away, { withinMs: 100 }).resume(begun).complete();
    await expect(ended).rejects.toMatchObject({ code: 'UNRECORDED' });
    await type.with(recorderAt()).resume(begun).complete();
    expect(await outline(world(), journal)).toHaveLength(2);
  });

  test('brings its start along where that was not recorded', { timeout: 60_000 }, async () => {
    const { type, journal } = await deploymentType();
    const away = recorderAt(`http://127.0.0.1:${await freePort()}`);
    const options = { withinMs: 100, onUnrecorded: 'go on', onError: () => {} } as const;
    const begun = await type.with(away, options).begin('start', '1');
    await type
      .with(recorderAt())
      .resume(JSON.parse(JSON.stringify(begun)))
      .complete();
    expect(await outline(world(), journal)).toEqual([
      'deployment.start deployment/1',
      '  deployment.start.completed deployment/1',
    ]);
  });

  test.each([
    ['nothing', null],
    ['another type', { ...handle(), type: 'job.start' }],
    ['no type of ours', { ...handle(), type: 'deployment.launch' }],
    ['half of it', { type: 'deployment.start' }],
  ])('is not known by a handle of %s', (_, given) => {
    const deployments = defineResourceType('deployment', { actions: ['start'] }).with(recorderAt());
    expect(() => deployments.resume(given as never)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }));
  });

  function handle() {
    return { id: null, type: '', resource: null, startedAtMs: 0, endId: '', place: null, envelope: {} };
  }
});

test('over an outbox, an action is recorded before it runs and moved into the journal', async () => {
  const { type, journal } = await deploymentType();
  const recorder = recorderOf(world().db);
  const deployments = type.with(recorder);
  await deployments.run('start', '1', async () => {
    const { rows } = await world().db.query(`select count(*)::int as n from eventree_outbox.parcel`);
    const moved = await outline(world(), journal);
    expect(rows[0].n + moved.length).toBeGreaterThan(0);
    await deployments.run('stop', '2', () => {});
  });
  expect(await written(recorder, journal)).toEqual([
    'deployment.start deployment/1',
    '  deployment.stop deployment/2',
    '    deployment.stop.completed deployment/2',
    '  deployment.start.completed deployment/1',
  ]);
});
