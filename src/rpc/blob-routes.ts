/**
 * # Blob routes: HEAD and GET of /v1/blobs/<id>, GET and PUT of /v1/blobs/<id>/<chunk>.
 *
 * Always true: an id is 64 lower-case hex digits before anything is looked up, so that no name of a file reaches the
 * store; a PUT shows the token, from this machine, before its body is read.
 */
import { timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Bytes, fromHex } from '../base/bytes.ts';
import type { BlobPort } from './backend.ts';
import { RpcError } from './errors.ts';
import { isLocalAddress } from './welcome.ts';

const CHUNK_BYTES = 262_144;
/** Blobs that are looked for at once: one that is not here is asked for among the peers. */
const MAX_LOOKUPS = 32;

interface Request {
  Params: { readonly id: string; readonly chunk: string };
  Querystring: { readonly length?: string };
}

/** Adds the routes; `token` opens PUT. */
export function blobRoutes(http: FastifyInstance, blobs: BlobPort, token: string): void {
  let lookups = 0;
  // Whether it is here: no peer is asked. (Before GET, which would answer HEAD too.)
  http.head<Request>('/v1/blobs/:id', async ({ params }, reply) => {
    const id = idOf(params.id);
    return reply.code(id && blobs.has(id) ? 200 : 404).send();
  });
  http.get<Request>('/v1/blobs/:id', async ({ params }, reply) => {
    const id = idOf(params.id);
    if (!id) return refuse(reply, 400, 'a blob id is 64 lower-case hex digits');
    if (lookups >= MAX_LOOKUPS) return refuse(reply, 503, 'busy looking for other blobs');
    lookups++;
    try {
      const stat = await blobs.stat(id);
      return stat ? reply.send(stat) : refuse(reply, 404, 'no such blob here or among the peers');
    } finally {
      lookups--;
    }
  });
  http.get<Request>('/v1/blobs/:id/:chunk', async ({ params }, reply) => {
    const id = idOf(params.id);
    const index = numberOf(params.chunk);
    if (!id || index === undefined) return refuse(reply, 400, 'GET /v1/blobs/<id>/<chunk>');
    const bytes = await blobs.chunk(id, index);
    if (!bytes) return refuse(reply, 404, 'no such chunk');
    return reply.type('application/octet-stream').send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  });
  http.put<Request>('/v1/blobs/:id/:chunk', {
    bodyLimit: CHUNK_BYTES,
    onRequest: async (request, reply) => {
      if (!mayWrite(request, token)) return refuse(reply, 401, 'PUT needs the token of the node’s blobs.token');
    },
    handler: async ({ params, query, body }, reply) => {
      const id = idOf(params.id);
      const index = numberOf(params.chunk);
      const length = numberOf(query.length);
      if (!id || index === undefined || length === undefined || !(body instanceof Buffer)) {
        return refuse(reply, 400, 'PUT /v1/blobs/<id>/<chunk>?length=<bytes of the whole blob>');
      }
      try {
        await blobs.putChunk(id, length, index, body);
        return reply.code(204).send();
      } catch (error) {
        // The desk's own words for a chunk that does not fit; anything else is a fault.
        if (!(error instanceof RpcError)) throw error;
        return refuse(reply, 400, error.message);
      }
    },
  });
}

function refuse(reply: FastifyReply, status: number, error: string): FastifyReply {
  return reply.code(status).send({ error });
}

function idOf(text: string): Bytes | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? fromHex(text) : undefined;
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function mayWrite(request: FastifyRequest, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  const isRight = given.length === wanted.length && timingSafeEqual(given, wanted);
  return token !== '' && isRight && isLocalAddress(request.socket.remoteAddress);
}
