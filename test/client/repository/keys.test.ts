import { expect } from "chai";
import { FaultyBackend } from "../../../client/backends/faults.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { findKey } from "../../../client/repository/key-search.ts";
import { addKey, changePassword, listKeys, loadKeyFile, removeKey, saveKey } from "../../../client/repository/keys.ts";
import type { Repository } from "../../../client/repository/repository.ts";
import { CofferError } from "../../../shared/errors.ts";
import { utf8Encode } from "../../../shared/format/bytes.ts";
import type { Id } from "../../../shared/format/layout.ts";
import type { Provider } from "../../../shared/format/provider.ts";
import {
  cheapKey,
  createRepository,
  failureOf,
  memoryOf,
  openAgain,
  testProvider,
} from "../../support/memory-repository.ts";

const newKey = { ...cheapKey, password: "other", username: "john", hostname: "example.com" };

/** A provider that notes which key files scrypt was asked about, by their salts. */
function counting(): { provider: Provider; salts: Uint8Array[] } {
  const salts: Uint8Array[] = [];
  const scrypt: Provider["scrypt"] = (password, salt, ...rest) => {
    salts.push(salt);
    return testProvider.scrypt(password, salt, ...rest);
  };
  return { provider: { ...testProvider, scrypt }, salts };
}

async function withKeys(passwords: readonly string[]): Promise<{ repository: Repository; ids: Id[] }> {
  const repository = await createRepository();
  const ids: Id[] = [];
  for (const password of passwords) ids.push(await saveKey(repository, repository.masterKey, { ...newKey, password }));
  return { repository, ids };
}

describe("finding a key", () => {
  it("tries the keys in the order of the list until one opens", async () => {
    const { repository, ids } = await withKeys(["a", "b", "c"]);
    const { provider, salts } = counting();
    const found = await findKey({ backend: repository.backend, provider }, "b");
    expect(found.id).to.equal(ids[1]);
    expect(found.masterKey).to.deep.equal(repository.masterKey);
    expect(salts).to.have.length(3);
  });

  it("says the same for a wrong password and for no key at all", async () => {
    const { repository } = await withKeys([]);
    const wrong = await failureOf(findKey(repository, "wrong"));
    expect(wrong).to.have.property("code", "wrong-password");
    expect(wrong.message).to.equal("wrong password or no key found");
    const none = await failureOf(findKey({ backend: new MemoryBackend(), provider: testProvider }, "x"));
    expect(none.message).to.equal(wrong.message);
  });

  it("tries 20 keys and no more, and the hinted one besides", async () => {
    const { repository, ids } = await withKeys(Array.from({ length: 25 }, (_, number) => `key ${number}`));
    const last = ids[24] ?? "";
    // The repository's own key is the first of the 20.
    expect((await findKey(repository, "key 18")).id).to.equal(ids[18]);
    const { provider, salts } = counting();
    const failure = await failureOf(findKey({ backend: repository.backend, provider }, "key 19"));
    expect(failure).to.have.property("code", "usage");
    expect(failure.message).to.match(/^maximum number of keys reached/);
    expect(salts).to.have.length(20);
    expect((await findKey(repository, "key 24", { keyHint: last.slice(0, 10) })).id).to.equal(last);
    expect((await findKey(repository, "key 24", { keyHint: last })).id).to.equal(last);
    salts.length = 0;
    await failureOf(findKey({ backend: repository.backend, provider }, "wrong", { keyHint: last }));
    expect(salts).to.have.length(21);
  });

  it("finds the last of exactly 20 keys, and reports a wrong password for 20 that do not open", async () => {
    const { repository } = await withKeys(Array.from({ length: 19 }, (_, number) => `key ${number}`));
    await findKey(repository, "key 18");
    expect((await failureOf(findKey(repository, "wrong"))).message).to.equal("wrong password or no key found");
  });

  it("ignores a hint that does not help", async () => {
    const { repository, ids } = await withKeys(["a", "b"]);
    const damaged = "ab".repeat(32);
    await repository.backend.save({ type: "keys", id: damaged }, utf8Encode("{}"));
    for (const keyHint of ["zz", "", "0".repeat(64), ids[1], damaged]) {
      expect((await findKey(repository, "a", { keyHint })).id).to.equal(ids[0]);
    }
  });

  it("passes over key files that cannot be read, and reports them", async () => {
    const { repository, ids } = await withKeys([]);
    const { files } = memoryOf(repository);
    const damagedIds = ["00".repeat(32), "11".repeat(32)];
    for (const id of damagedIds) files.set(`keys/${id}`, utf8Encode("not a key"));
    const [id = ""] = [await saveKey(repository, repository.masterKey, { ...newKey, password: "behind" }), ...ids];
    const unreadable: Id[] = [];
    const found = await findKey(repository, "behind", { onUnreadable: (one) => unreadable.push(one) });
    expect(found.id).to.equal(id);
    expect(unreadable).to.deep.equal(damagedIds);
    // The password may be that of the damaged key: this must not look like a wrong password.
    expect(await failureOf(findKey(repository, "wrong"))).to.have.property("code", "hash-mismatch");
  });

  it("does not go on when the storage fails", async () => {
    const { repository } = await withKeys(["a"]);
    const backend = new FaultyBackend(repository.backend, ({ name }) =>
      name === "load" ? { before: new CofferError("unavailable", "the line is dead") } : undefined,
    );
    const failure = await failureOf(findKey({ backend, provider: testProvider }, "a"));
    expect(failure).to.have.property("code", "unavailable");
  });

  it("ends when it is cancelled, also while it tries a hint", async () => {
    const { repository, ids } = await withKeys(["a"]);
    const signal = AbortSignal.abort();
    for (const keyHint of [undefined, ids[0]]) {
      expect(await failureOf(findKey(repository, "a", { keyHint, signal }))).to.have.property("code", "cancelled");
    }
  });
});

describe("managing keys", () => {
  it("lists them with what they say about themselves", async () => {
    const { repository, ids } = await withKeys(["a"]);
    memoryOf(repository).files.set(`keys/${"00".repeat(32)}`, utf8Encode("{}"));
    const unreadable: Id[] = [];
    const keys = await listKeys(repository, { onUnreadable: (id) => unreadable.push(id) });
    expect(
      keys.map(({ id, isCurrent, username, hostname, created }) => [id, isCurrent, username, hostname, created]),
    ).to.deep.equal([
      [repository.keyId, true, "tester", "machine", "2026-01-02T03:04:05Z"],
      [ids[0], false, "john", "example.com", "2026-01-02T03:04:05Z"],
    ]);
    expect(unreadable).to.deep.equal(["00".repeat(32)]);
  });

  it("adds a key that opens the repository", async () => {
    const repository = await createRepository();
    const id = await addKey(repository, newKey);
    const opened = await openAgain(memoryOf(repository), { password: "other" });
    expect(opened.keyId).to.equal(id);
    expect(opened.config).to.deep.equal(repository.config);
    expect(await loadKeyFile(repository, id)).to.include({
      username: "john",
      hostname: "example.com",
      N: 16,
      r: 1,
      p: 1,
    });
  });

  it("removes a new key again that does not open", async () => {
    const repository = await createRepository();
    const storage = memoryOf(repository);
    const before = [...storage.files.keys()];
    for (const damage of [(bytes: Uint8Array) => bytes.subarray(1), () => utf8Encode("{}")]) {
      const backend = new FaultyBackend(storage, ({ name, type }) =>
        name === "load" && type === "keys" ? { damage } : undefined,
      );
      const failure = await failureOf(
        addKey({ backend, provider: testProvider, masterKey: repository.masterKey, keyId: repository.keyId }, newKey),
      );
      expect(failure).to.have.property("code", "damaged");
      expect(failure.message).to.match(/^new key [0-9a-f]{8} does not open the repository and was removed: /);
      expect([...storage.files.keys()]).to.deep.equal(before);
    }
  });

  it("removes a new key whose password is derived in another way than before", async () => {
    const repository = await createRepository();
    let calls = 0;
    const scrypt: Provider["scrypt"] = async (...parameters) => {
      const key = await testProvider.scrypt(...parameters);
      if (++calls === 1) key[0] = (key[0] ?? 0) ^ 1;
      return key;
    };
    const { backend, masterKey, keyId } = repository;
    const provider = { ...testProvider, scrypt };
    expect(await failureOf(addKey({ backend, provider, masterKey, keyId }, newKey))).to.have.property(
      "code",
      "damaged",
    );
    expect(await repository.listIds("keys")).to.deep.equal([keyId]);
  });

  it("removes keys, but not the one in use and none that is not there", async () => {
    const { repository, ids } = await withKeys(["a"]);
    const refusal = await failureOf(removeKey(repository, repository.keyId));
    expect(refusal.message).to.equal("refusing to remove key currently used to access repository");
    await removeKey(repository, ids[0] ?? "");
    expect(await repository.listIds("keys")).to.deep.equal([repository.keyId]);
    expect(await failureOf(removeKey(repository, ids[0] ?? ""))).to.have.property("code", "not-found");
  });

  it("changes the password: the new key opens before the old one goes", async () => {
    const repository = await createRepository();
    const storage = memoryOf(repository);
    const backend = new FaultyBackend(storage, () => undefined);
    const { provider, masterKey, keyId } = repository;
    const id = await changePassword({ backend, provider, masterKey, keyId }, newKey);
    expect(backend.calls.map(({ name, id: file }) => [name, file])).to.deep.equal([
      ["save", id],
      ["load", id],
      ["remove", keyId],
    ]);
    expect(await failureOf(openAgain(storage))).to.have.property("code", "wrong-password");
    expect((await openAgain(storage, { password: "other" })).keyId).to.equal(id);
  });

  it("keeps the old password when the new one does not work", async () => {
    const repository = await createRepository();
    const storage = memoryOf(repository);
    const backend = new FaultyBackend(storage, ({ name }) =>
      name === "load" ? { damage: () => utf8Encode("{}") } : undefined,
    );
    const { provider, masterKey, keyId } = repository;
    await failureOf(changePassword({ backend, provider, masterKey, keyId }, newKey));
    expect((await openAgain(storage)).keyId).to.equal(keyId);
  });
});
