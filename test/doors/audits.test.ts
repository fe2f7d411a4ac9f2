import { type Audit, serverAudits } from 'graphql-http';
import { describe, expect, test } from 'vitest';
import { worldForFile } from '../support/world.ts';

const world = worldForFile();
const audits = serverAudits({ url: () => `${world().servers[0]?.url}/graphql` });

/** An audit's name begins with how binding it is. */
const levelOf = ({ name }: Audit) => name.slice(0, name.indexOf(' '));

describe.each(['MUST', 'SHOULD', 'MAY'])('GraphQL over HTTP, %s', (level) => {
  for (const audit of audits.filter((each) => levelOf(each) === level)) {
    test(`${audit.id} ${audit.name}`, async () => {
      const result = await audit.fn();
      expect(result.status, 'reason' in result ? result.reason : '').toBe('ok');
    });
  }
});

test('none is left out', () => {
  expect(audits.length).toBeGreaterThan(60);
  expect(new Set(audits.map(levelOf))).toEqual(new Set(['MUST', 'SHOULD', 'MAY']));
});
