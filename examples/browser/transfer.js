// A transfer that the user's own extension signs: the page never sees a key. The same code runs in a test, where the
// extension is a stand-in (test/examples).

/** The extensions that have put themselves into the page, by name. */
export function extensions() {
  return Object.keys(globalThis.injectedWeb3 ?? {});
}

/** Asks an extension for its accounts; the user agrees or not. */
export async function connect(name, pageName) {
  const extension = globalThis.injectedWeb3?.[name];
  if (!extension) throw new Error('no wallet extension is installed');
  const injected = await extension.enable(pageName);
  return { signer: injected.signer, accounts: await injected.accounts.get() };
}

/** Sends `amount` (in units of the chain, a bigint); `tell` hears the status. Resolves with the block's hash. */
export async function transfer(api, { from, to, amount, signer, tell }) {
  const call = api.tx.balances.transferKeepAlive(to, amount);
  return new Promise((resolve, reject) => {
    call
      .signAndSend(from, { signer }, (update) => {
        tell(update.status.type);
        if (update.dispatchError) reject(new Error(String(update.dispatchError)));
        else if (update.isError) reject(new Error(update.status.type));
        else if (update.isFinalized) resolve(update.status.asFinalized.toHex());
      })
      .catch(reject);
  });
}
