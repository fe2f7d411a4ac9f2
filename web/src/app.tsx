/** The frame around all screens: who looks, where one can go, and which screen the address names. */
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { Provider } from 'urql';
import { Link, Route, Switch, useLocation } from 'wouter';
import { navigate, usePathname, useSearch } from 'wouter/use-browser-location';
import { openApi } from './api/client.ts';
import { LivePage } from './live/live-page.tsx';
import { AppContext, useApp } from './session/app-context.ts';
import {
  finishSignIn,
  loadConfig,
  openSession,
  type Session,
  signOut,
  type WebConfig,
} from './session/session.ts';
import { SignIn } from './session/sign-in.tsx';
import { useViewer } from './session/viewer.ts';
import { Boundary } from './ui/boundary.tsx';
import { HelpDialog } from './ui/help.tsx';
import { useKeys } from './ui/keyboard.ts';
import { loginPath } from './ui/login-path.ts';
import { ErrorNotice, Loading, Notice } from './ui/notice.tsx';

const OverviewPage = lazy(async () => ({
  default: (await import('./overview/overview-page.tsx')).OverviewPage,
}));
const TypesPage = lazy(async () => ({ default: (await import('./types/types-page.tsx')).TypesPage }));
const EventPage = lazy(async () => ({ default: (await import('./event/event-page.tsx')).EventPage }));
const TreePage = lazy(async () => ({ default: (await import('./tree/tree-page.tsx')).TreePage }));
const ResourcePage = lazy(async () => ({
  default: (await import('./resource/resource-page.tsx')).ResourcePage,
}));

interface Opening {
  readonly config: WebConfig;
  readonly session: Session;
}

/** Once for the page: what a provider sends along on coming back holds for one time. */
let opening: Promise<Opening> | null = null;

async function open(): Promise<Opening> {
  const config = await loadConfig();
  if (location.pathname !== '/callback' || config.oidc === null) {
    return { config, session: await openSession(config) };
  }
  const { session, returnTo } = await finishSignIn(config.oidc);
  navigate(returnTo, { replace: true });
  return { config, session };
}

export function App() {
  const [opened, setOpened] = useState<Opening | null>(null);
  const [failure, setFailure] = useState<Error | null>(null);

  useEffect(() => {
    opening ??= open();
    opening.then(setOpened, setFailure);
  }, []);

  if (failure !== null) {
    return (
      <main className="alone">
        <h1 className="hidden-text">Eventree</h1>
        <ErrorNotice error={failure} doing="The web UI could not be opened" />
      </main>
    );
  }
  if (opened === null) return <Loading what="Opening" />;
  const setSession = (session: Session) => setOpened({ ...opened, session });
  return <Opened config={opened.config} session={opened.session} setSession={setSession} />;
}

interface OpenedProps {
  readonly config: WebConfig;
  readonly session: Session;
  readonly setSession: (session: Session) => void;
}

/** A session has an API of its own: nothing that one has been told is shown to the next. */
function Opened({ config, session, setSession }: OpenedProps) {
  const app = useMemo(
    () => ({ config, session, setSession, ...openApi(session.token) }),
    [config, session, setSession],
  );
  return (
    <AppContext value={app}>
      <Provider value={app.urql}>
        <Frame />
      </Provider>
    </AppContext>
  );
}

const PLACES = [
  { to: '/', name: 'Live', key: '1' },
  { to: '/overview', name: 'Overview', key: '2' },
  { to: '/types', name: 'Types', key: '3' },
] as const;

const isFiltered = (path: string) => path === '/' || path === '/overview';

function Frame() {
  const [path] = useLocation();
  const search = useSearch();
  // Two looks at the same: the filter goes along.
  const pathTo = (to: string) => (isFiltered(to) && isFiltered(path) ? to + search : to);
  const [isHelpOpen, setHelpOpen] = useState(false);
  useKeys({
    '?': () => setHelpOpen(true),
    ...Object.fromEntries(PLACES.map(({ key, to }) => [key, () => navigate(pathTo(to))])),
  });

  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="bar">
        <Link href="/" className="brand" aria-label="Eventree, to the live stream">
          <img src="/favicon.svg" alt="" width="22" height="22" />
          <span>Eventree</span>
        </Link>
        <nav aria-label="Screens">
          {PLACES.map(({ to, name }) => (
            <Link key={to} href={pathTo(to)} aria-current={path === to ? 'page' : undefined}>
              {name}
            </Link>
          ))}
        </nav>
        <div className="bar-end">
          <Who />
          <button
            type="button"
            className="quiet icon"
            onClick={() => setHelpOpen(true)}
            aria-label="Help and keyboard"
          >
            ?
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Boundary key={path}>
          <Suspense fallback={<Loading what="Loading" />}>
            <Switch>
              <Route path="/" component={LivePage} />
              <Route path="/overview" component={OverviewPage} />
              <Route path="/types" component={TypesPage} />
              <Route path="/login" component={SignIn} />
              <Route path="/event/:id">{({ id }) => <EventPage key={id} id={id} />}</Route>
              <Route path="/tree/:id">{({ id }) => <TreePage key={id} id={id} />}</Route>
              <Route path="/resource/*?" component={ResourceRoute} />
              <Route>
                <h1 className="hidden-text">Eventree</h1>
                <Notice title="There is nothing here">
                  <p>
                    The address names no screen. <Link href="/">Go to the live stream.</Link>
                  </p>
                </Notice>
              </Route>
            </Switch>
          </Suspense>
        </Boundary>
      </main>
      {isHelpOpen && <HelpDialog onClose={() => setHelpOpen(false)} />}
    </>
  );
}

/** By the address as it is: what the router has was decoded once, and a reference may hold `%41` itself. */
function ResourceRoute() {
  const path = usePathname();
  const given = new URLSearchParams(useSearch()).get('ref');
  const reference = given ?? path.slice('/resource/'.length).split('/').map(decoded).join('/');
  return <ResourcePage key={reference} reference={reference} />;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Whom the server takes the token for, and the way to another one. */
function Who() {
  const { config, session, setSession } = useApp();
  const viewer = useViewer();
  const name = viewer?.subject ?? '…';
  const canLeave = session.by === 'pasted' || session.by === 'provider';
  return (
    <span className="who">
      <span className="who-name" title={viewer?.claims.join('\n')}>
        {name}
      </span>
      {canLeave && (
        <button type="button" className="quiet" onClick={() => void signOut(config).then(setSession)}>
          Sign out
        </button>
      )}
      {!canLeave && (
        <Link href={loginPath()} className="quiet">
          {session.by === 'nobody' ? 'Sign in' : 'Other token'}
        </Link>
      )}
    </span>
  );
}
