/** Who asks, as the server understood the token. */
import { gql, useQuery } from 'urql';

export interface Viewer {
  readonly subject: string;
  readonly claims: readonly string[];
}

const VIEWER = gql<{ viewer: Viewer }>`
  query Viewer {
    viewer {
      subject
      claims
    }
  }
`;

/** Null until the server has answered. */
export function useViewer(): Viewer | null {
  const [{ data }] = useQuery({ query: VIEWER, requestPolicy: 'cache-first' });
  return data?.viewer ?? null;
}

export function isAdmin(viewer: Viewer | null): boolean {
  return viewer?.claims.includes('group/admin') ?? false;
}
