/** The way to sign in, and back to what is looked at now. */

export function loginPath(): string {
  const here = location.pathname + location.search;
  return here === '/' || here.startsWith('/login') ? '/login' : `/login?to=${encodeURIComponent(here)}`;
}

/** Where the address of the sign-in page leads back to: within these pages, whoever wrote the address. */
export function pathBack(search: string): string {
  const to = new URLSearchParams(search).get('to') ?? '/';
  return /^\/(?![/\\])/.test(to) ? to : '/';
}
