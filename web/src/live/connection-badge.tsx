/** The state of the connection in a word, always as it is. */
import { useEffect, useState } from 'react';
import type { Connection } from './connection.ts';

export function ConnectionBadge({
  connection,
  rate,
}: {
  readonly connection: Connection;
  readonly rate: number;
}) {
  const left = useSecondsLeft(connection.is === 'offline' ? connection.retryAt : null);
  const [sign, text, detail] = said(connection, left, rate);
  return (
    <span className={`connection ${connection.is}`} title={detail}>
      <span aria-hidden="true" className="connection-text">
        <span className="sign">{sign}</span>
        {text}
      </span>
      {/* Told when it changes, and not with each second of a countdown. */}
      <span role="status" className="hidden-text">
        {SPOKEN[connection.is]}
      </span>
    </span>
  );
}

const SPOKEN: Readonly<Record<Connection['is'], string>> = {
  connecting: 'Connecting',
  live: 'Live',
  'catching-up': 'Catching up',
  offline: 'Offline',
  ended: 'Stopped',
};

function said(connection: Connection, left: number | null, rate: number): [string, string, string] {
  switch (connection.is) {
    case 'connecting':
      return ['○', 'Connecting', 'What is shown was read a moment ago; the live stream is being opened.'];
    case 'live':
      return [
        '●',
        rate >= 1 ? `Live · ${Math.round(rate)}/s` : 'Live',
        'Each event comes as it is recorded.',
      ];
    case 'catching-up': {
      const { behind } = connection;
      const text = behind === null || behind === 0 ? 'Catching up' : `Behind by ${behind.toLocaleString()}`;
      return ['◐', text, 'What was recorded meanwhile is coming.'];
    }
    case 'offline': {
      const text =
        left === null ? 'Offline' : left === 0 ? 'Offline · trying now' : `Offline · again in ${left} s`;
      return ['✕', text, connection.why];
    }
    case 'ended':
      return ['■', 'Stopped', connection.error.message];
  }
}

function useSecondsLeft(until: number | null): number | null {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (until === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [until]);
  return until === null ? null : Math.max(0, Math.ceil((until - now) / 1_000));
}
