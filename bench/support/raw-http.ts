/**
 * A load generator that costs next to nothing: HTTP/1.1 over plain sockets, requests written ready-made,
 * answers only counted. What the benchmark measures is then the server.
 */
import { connect, type Socket } from 'node:net';

export interface Connection {
  /** Sends a request; resolves with the answer's body. One at a time. */
  send(request: Buffer): Promise<string>;
  close(): void;
}

/** A POST to /graphql as it goes over the wire. */
export function encodeRequest(port: number, token: string, body: string): Buffer {
  return Buffer.from(
    `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${token}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

export function openConnection(port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let received = '';
    let answer: ((body: string) => void) | null = null;
    let fail: ((error: Error) => void) | null = null;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      received += text;
      const head = received.indexOf('\r\n\r\n');
      if (head === -1) return;
      const length = Number(/content-length: (\d+)/i.exec(received.slice(0, head))?.[1]);
      // Text is taken as Latin-1, so a character is a byte.
      if (received.length < head + 4 + length) return;
      const body = received.slice(head + 4);
      received = '';
      const done = answer;
      answer = null;
      done?.(body);
    });
    socket.on('error', (error) => (fail ?? reject)(error));
    socket.once('connect', () =>
      resolve({
        send(request) {
          return new Promise((done, failed) => {
            answer = done;
            fail = failed;
            socket.write(request);
          });
        },
        close: () => socket.destroy(),
      }),
    );
  });
}
