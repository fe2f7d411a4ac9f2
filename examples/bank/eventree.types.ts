/** What this bank says beside create, update, destroy and call. */
import { defineTypes } from '../../src/index.ts';

export default defineTypes({
  attributes: { cents: { kind: 'INTEGER', description: 'An amount of money.' } },
  eventTypes: {
    interest: {
      category: 'ACTION',
      description: 'An account earned interest.',
      messageTemplate: '{resource} earned {cents} cents',
      attributes: { cents: { required: true } },
    },
    'interest.failed': {
      category: 'ALARM',
      severity: 'HIGH',
      description: 'An account did not get its interest.',
      messageTemplate: '{resource} did not get its {cents} cents',
      attributes: { cents: { required: true }, error: {}, error_value: {} },
    },
  },
});
