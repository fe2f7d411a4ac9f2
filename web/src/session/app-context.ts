/** What all screens have at hand. */
import { createContext, useContext } from 'react';
import type { Api } from '../api/client.ts';
import type { Session, WebConfig } from './session.ts';

export interface AppState extends Api {
  readonly config: WebConfig;
  readonly session: Session;
  setSession(session: Session): void;
}

export const AppContext = createContext<AppState | null>(null);

export function useApp(): AppState {
  const app = useContext(AppContext);
  if (app === null) throw new Error('A screen stands outside of the app.');
  return app;
}
