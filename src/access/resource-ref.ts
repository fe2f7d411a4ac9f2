/** Reference to the thing an event is about: `type/id`; the id may hold further slashes. */
import { EventreeError } from '../base/errors.ts';
import { checkText } from '../base/json.ts';

export type ResourceRef = string & { readonly __brand: 'ResourceRef' };

export const MAX_REF_CHARS = 500;

const FORM = /^[A-Za-z][A-Za-z0-9_.-]{0,63}\/(?!\s)[^\p{Cc}]+(?<!\s)$/u;

/** @throws BAD_USER_INPUT */
export function parseResourceRef(value: unknown): ResourceRef {
  if (typeof value !== 'string' || value.length > MAX_REF_CHARS || !FORM.test(value)) {
    throw new EventreeError(
      'BAD_USER_INPUT',
      `A resource is written type/id, as in deployment/847a79a2, in at most ${MAX_REF_CHARS} characters.`,
    );
  }
  return checkText(value, 'A resource') as ResourceRef;
}

export function resourceType(ref: ResourceRef): string {
  return ref.slice(0, ref.indexOf('/'));
}

export function resourceId(ref: ResourceRef): string {
  return ref.slice(ref.indexOf('/') + 1);
}
