#!/usr/bin/env node
/** The program `eventree`. Its commands stand in main.ts. */

// Set before any library is loaded: GraphQL checks each type twice where it does not find this.
process.env.NODE_ENV ??= 'production';

const { main } = await import('./main.ts');
process.exitCode = await main(process.argv);
