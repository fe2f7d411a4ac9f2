import { describe, expect, test } from 'vitest';
import { fromCloudEvent, toCloudEvent } from '../../src/cli/cloud-event.ts';
import { createLineParser } from '../../src/cli/import-line.ts';
import type { PlainEvent } from '../../src/client/event.ts';

const FULL: PlainEvent = {
  id: '019ab000-0000-7000-8000-000000000001',
  journal: 'main',
  type: 'deployment.start',
  resource: 'deployment/847',
  category: 'ACTION',
  severity: 'HIGH',
  message: 'Jane deployed\n847',
  occurredAt: '2026-11-20T23:18:04.123Z',
  actor: 'user/jane',
  activeClaim: 'group/ops',
  sessionId: 's-1',
  correlationId: 'c-1',
  parentId: '019ab000-0000-7000-8000-000000000000',
  attributes: { branch: 'main' },
  payload: [1, null],
  privatePayload: { secret: true },
  visibleToActor: true,
};

describe('an event as a CloudEvent', () => {
  test('has the attributes that CloudEvents 1.0 requires', () => {
    expect(toCloudEvent(FULL)).toMatchObject({
      specversion: '1.0',
      id: FULL.id,
      source: '/eventree/main',
      type: 'deployment.start',
      subject: 'deployment/847',
      time: '2026-11-20T23:18:04.123Z',
      datacontenttype: 'application/json',
      data: { message: FULL.message, attributes: FULL.attributes, payload: FULL.payload },
    });
  });

  test('names its attributes by small letters and digits, at most 20', () => {
    for (const name of Object.keys(toCloudEvent(FULL))) expect(name).toMatch(/^[a-z0-9]{1,20}$/);
  });

  test.each(['a\u0000b', 'line\nbreak', '\u0085', '\ufdd0', '\u{1ffff}'])(
    'keeps the text %j out of attributes, which may not hold it',
    (text) => {
      const event = { ...FULL, correlationId: text, sessionId: text };
      const { data, ...attributes } = toCloudEvent(event);
      expect(JSON.stringify(attributes)).not.toContain(JSON.stringify(text).slice(1, -1));
      expect(fromCloudEvent(through(toCloudEvent(event))).event).toMatchObject({
        correlationId: text,
        sessionId: text,
      });
    },
  );

  test('comes back as it was', () => {
    const { occurredAt, ...rest } = FULL;
    expect(fromCloudEvent(through(toCloudEvent(FULL)))).toEqual({ event: FULL, name: null });
    const { id, journal, type, category, severity, message } = rest;
    const little: PlainEvent = { id, journal, type, category, severity, message, occurredAt };
    expect(fromCloudEvent(through(toCloudEvent(little))).event).toEqual(little);
  });

  test.each([
    ['traceparent', { ...toCloudEvent(FULL), traceparent: '00-1' }],
    ['extra', { ...toCloudEvent(FULL), data: { message: 'm', extra: 1 } }],
    ['object', { ...toCloudEvent(FULL), data: 'text' }],
  ])('is refused rather than cut where it says more: %s', (word, line) => {
    expect(() => fromCloudEvent(through(line))).toThrow(word);
  });
});

describe('another system’s CloudEvent', () => {
  // The example of the specification, with an extension.
  const line = {
    specversion: '1.0',
    type: 'com.github.pull_request.opened',
    source: 'https://github.com/cloudevents/spec/pull',
    subject: '123',
    id: 'A234-1234-1234',
    time: '2018-04-05T17:31:00Z',
    comexampleextension1: 'value',
    correlationid: 'c-1',
    datacontenttype: 'text/xml',
    data: '<much wow="xml"/>',
  };
  const parse = (value: object) => createLineParser({ format: 'auto' })(JSON.stringify(value)).input;

  test('loses nothing', () => {
    expect(parse(line)).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      journal: 'main',
      type: line.type,
      occurredAt: line.time,
      correlationId: 'c-1',
      payload: { subject: '123', data: '<much wow="xml"/>' },
      privatePayload: {
        cloudEvent: {
          source: line.source,
          id: line.id,
          comexampleextension1: 'value',
          datacontenttype: 'text/xml',
        },
      },
    });
  });

  test('is about the resource that its subject names', () => {
    const { resource, payload } = parse({ ...line, subject: 'pull/123', data: { a: 1 } });
    expect({ resource, payload }).toEqual({ resource: 'pull/123', payload: { a: 1 } });
  });

  test('keeps binary data as it is', () => {
    const { data: _, ...binary } = { ...line, subject: 'pull/123', data_base64: 'aGk=' };
    expect(parse(binary).payload).toEqual({ data_base64: 'aGk=' });
  });

  test('has an attribute that is null as if it were left out', () => {
    const { subject: _, correlationid: __, comexampleextension1: ___, ...less } = line;
    expect(parse({ ...less, subject: null, correlationid: null, comexampleextension1: null })).toEqual(
      parse(less),
    );
  });

  test('has one id by its time, source and id', () => {
    const { id } = parse(line);
    expect(parse(Object.fromEntries(Object.entries(line).reverse())).id).toBe(id);
    expect(parse({ ...line, data: 'other' }).id).toBe(id);
    for (const other of [{ id: 'B' }, { source: '/b' }, { time: '2018-04-05T17:31:01Z' }]) {
      expect(parse({ ...line, ...other }).id).not.toBe(id);
    }
    const { time: _, ...timeless } = line;
    expect(parse({ ...timeless, data: 'other' }).id).toBe(parse(timeless).id);
  });

  test.each([
    ['specversion', { ...line, specversion: '0.3' }],
    ['id', { ...line, id: '' }],
    ['source', { ...line, source: undefined }],
    ['type', { ...line, type: 7 }],
    ['date and time', { ...line, time: 'yesterday' }],
  ])('is refused without a good %s', (word, bad) => {
    expect(() => parse(bad)).toThrow(word);
  });
});

/** As it is on a line. */
function through(value: object) {
  return JSON.parse(JSON.stringify(value));
}
