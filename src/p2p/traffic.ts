/**
 * # Traffic: bytes that went over the sockets of peers.
 *
 * Always true: a connection is counted from the end of its handshake (some hundred bytes) to its own end, headers of
 * multiplexer and cipher included; counting listens to nothing, so that it can swallow nothing.
 */
import { assert } from '../base/assert.ts';

export class Traffic {
  #received = 0;
  #sent = 0;

  get received(): number {
    return this.#received;
  }

  get sent(): number {
    return this.#sent;
  }

  /** Counts what a socket's connection hears and says from now on. */
  follow(connection: object): void {
    assert(isSocket(connection), 'a connection hears by onData and speaks by send');
    const hear = connection.onData.bind(connection);
    const say = connection.send.bind(connection);
    connection.onData = (data) => {
      this.#received += data.byteLength;
      hear(data);
    };
    connection.send = (data) => {
      this.#sent += data.byteLength;
      return say(data);
    };
  }
}

interface Sized {
  readonly byteLength: number;
}

interface Socket {
  onData(data: Sized): void;
  send(data: Sized): boolean;
}

function isSocket(value: object): value is Socket {
  const { onData, send } = value as Partial<Socket>;
  return typeof onData === 'function' && typeof send === 'function';
}
