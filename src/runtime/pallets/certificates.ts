/**
 * # Certificates: the record of accepted work.
 *
 * Always true: a certificate is minted once for a fragment, never changed and never transferred: no call of this pallet
 * exists. Its verification record is never empty.
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { compactU32, hash, type Of, struct, u8, u32, u64, unit, vec } from '../../codec/index.ts';
import type { Chain } from '../chain.ts';
import { event, pallet, rules } from '../pallet.ts';
import { map, twox64Concat, value } from '../storage.ts';
import { AccountId } from '../types.ts';
import { creditWork } from './rewards.ts';

const PATH = 'pallet_certificates';

const Verification = struct(
  {
    /** Segments that were executed again, in draw order. */
    segments: vec(u32),
    /** Who executed each. */
    checkers: vec(AccountId),
    /** The receipt that bound each checker before his verdict. */
    receipts: vec(hash),
  },
  { path: `${PATH}::Verification` },
);

export const Certificate = struct(
  {
    job: hash,
    round: u32,
    fragment: hash,
    miner: AccountId,
    /** 10^9 verified multiply-accumulates, counted from shapes (ECONOMY.md rule J). */
    cu: u64,
    /** 0 train, 1 infer, 2 data. */
    kind: u8,
    input_root: hash,
    output_root: hash,
    verification: Verification,
    block: u32,
  },
  { path: `${PATH}::Certificate` },
);
export type Certificate = Of<typeof Certificate>;

const SERIAL = 'serial numbers are given by the chain';

export const CertificatesDeclared = pallet('Certificates', {
  index: 42,
  doc: 'Non-transferable records of accepted work.',
  storage: {
    NextId: value('The serial number of the next certificate.', u64, 0n),
    Certificates: map('Certificates by serial number.', twox64Concat(u64, SERIAL), Certificate),
    ByAccount: map('The serial numbers of an account.', [AccountId, twox64Concat(u64, SERIAL)], unit),
    ByFragment: map('The serial number of a fragment.', hash, u64),
  },
  events: {
    Minted: event('Work was accepted and recorded.', { id: u64, miner: AccountId, cu: u64, round: compactU32 }),
  },
  errors: {},
});

export const Certificates = rules(CertificatesDeclared, {
  invariant(at) {
    let count = 0n;
    for (const [, certificate] of at.state.Certificates.entries()) {
      if (certificate.verification.segments.length === 0) return 'a certificate without verification record';
      count++;
    }
    return count === at.state.NextId.get();
  },
});

/** Mints the certificate of an accepted fragment and counts its work for the running era. */
export function mintCertificate(chain: Chain, certificate: Certificate): bigint {
  const at = chain.use(CertificatesDeclared);
  assert(certificate.verification.segments.length > 0, 'accepted work was checked');
  assert(!at.state.ByFragment.has(certificate.fragment), 'one certificate for a fragment');
  const id = at.state.NextId.get();
  at.state.NextId.put(id + 1n);
  at.state.Certificates.put(id, certificate);
  at.state.ByAccount.put(certificate.miner, id, undefined);
  at.state.ByFragment.put(certificate.fragment, id);
  at.emit.Minted({ id, miner: certificate.miner, cu: certificate.cu, round: certificate.round });
  creditWork(chain, certificate.miner, certificate.cu);
  return id;
}

/** Whether a fragment has its certificate. */
export function hasCertificate(chain: Chain, fragment: Bytes): boolean {
  return chain.use(CertificatesDeclared).state.ByFragment.has(fragment);
}
