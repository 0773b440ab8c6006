/** # sodium-native: the few functions of libsodium that are used here; the package carries no types. */
declare module 'sodium-native' {
  interface Sodium {
    /** BLAKE2b of `input` into `output` (16 to 64 bytes). */
    crypto_generichash(output: Uint8Array, input: Uint8Array): void;
    /** Fills a 32-byte public and a 64-byte secret key from a 32-byte seed. */
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void;
    /** ed25519 signature into 64 bytes. */
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void;
    /** Throws on wrong lengths. */
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
    /** n B on edwards25519; throws where that is the identity. */
    crypto_scalarmult_ed25519_base_noclamp(output: Uint8Array, n: Uint8Array): void;
    /** n P on edwards25519; throws where P is not of the prime subgroup, or the product is the identity. */
    crypto_scalarmult_ed25519_noclamp(output: Uint8Array, n: Uint8Array, point: Uint8Array): void;
    /** P + Q on edwards25519; throws where one is no point. */
    crypto_core_ed25519_add(output: Uint8Array, p: Uint8Array, q: Uint8Array): void;
  }
  const sodium: Sodium;
  export default sodium;
}
