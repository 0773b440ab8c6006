/** # Job list: the jobs of the node, asked for when one is wanted that is not known. */
import type { RpcClient } from './rpc-client.ts';
import type { JobJson } from './wire.ts';

export class JobList {
  readonly #rpc: RpcClient;
  #jobs = new Map<string, JobJson>();

  constructor(rpc: RpcClient) {
    this.#rpc = rpc;
  }

  /** Rejects if the node knows no such job, or does not answer. */
  async get(id: string): Promise<JobJson> {
    const known = this.#jobs.get(id);
    if (known) return known;
    const jobs = await this.#rpc.call<JobJson[]>('compute_jobs');
    this.#jobs = new Map(jobs.map((job) => [job.id, job]));
    const job = this.#jobs.get(id);
    if (!job) throw new Error(`the node knows no job ${id}`);
    return job;
  }
}
