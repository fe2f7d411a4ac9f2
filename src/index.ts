/** What `import … from 'eventree'` gives. The client of the API is 'eventree/client'. */
export { type DeclarationsInput, defineTypes } from './events/declaration.ts';
