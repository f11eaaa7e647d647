/** Policies over HTTP: what is refused and how, and that no spelling of a path gets around them. */
import { createServer } from "node:http";
import { expect } from "chai";
import fc from "fast-check";
import supertest from "supertest";
import { createApp } from "../../../server/app.ts";
import { explain } from "../../../server/policy/explain.ts";
import { fixedPolicy } from "../../../server/policy/flags-policy.ts";
import { parsePolicy } from "../../../server/policy/parse-policy.ts";
import type { Operation } from "../../../server/policy/rights.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import type { Repositories, Storage } from "../../../server/storage/storage.ts";
import { fileTypes } from "../../../shared/format/layout.ts";
import { asUser, namedUsers } from "../../support/named-users.ts";
import { folderNames, plainRules, policyOf, twinAllows, userNames } from "../../support/policies.ts";
import { type ServedApp, serveApp } from "../../support/served-app.ts";
import { sha256 } from "../../support/stored-files.ts";

const policyText = `
rules:
  - {name: operator, users: op, repositories: "**", access: full}
  - {name: reader, users: ro, repositories: "**", access: read-only}
  - {name: writer, users: wo, repositories: "**", access: write-only}
  - {name: keeper, users: ao, repositories: "**", access: append-only}
  - {name: eraser, users: del, repositories: "**", rights: delete}
  - {name: maker, users: new, repositories: "{user}/**", rights: [read, append, manage]}
`;

const content = "content";
const id = sha256(content);
const objectTypes = ["data", "index", "keys", "snapshots"];

interface Case {
  readonly method: string;
  readonly path: string;
}

const cases: readonly Case[] = [
  { method: "POST", path: "/r/?create=true" },
  ...["HEAD", "GET", "POST", "DELETE"].flatMap((method) => [
    { method, path: "/r/config" },
    ...fileTypes.map((type) => ({ method, path: `/r/${type}/${id}` })),
  ]),
  ...fileTypes.map((type) => ({ method: "GET", path: `/r/${type}/` })),
];

/** What docs/policy.md says in words, request by request. */
function expectedOf(user: string, { method, path }: Case): boolean {
  const isLock = path.includes("/locks/");
  const isPack = path.includes("/data/") && !path.endsWith("/");
  if (user === "op") return true;
  if (path.includes("create")) return false;
  if (isLock) return true;
  if (user === "del") return method === "DELETE";
  if (method === "HEAD") return true;
  if (method === "GET") return user !== "wo" || !isPack;
  if (method === "POST") return user !== "ro" && !path.endsWith("config");
  return false;
}

describe("a policy over HTTP", () => {
  for (const user of ["op", "ro", "wo", "ao", "del"]) {
    it(`gives ${user} what it grants, refuses the rest with 403, and is explained so`, async () => {
      const policy = await parsePolicy(policyText, "p");
      for (const each of cases) {
        const repositories = new MemoryRepositories();
        await repositories.at(["r"]).create();
        const app = createApp({ repositories, authenticator: namedUsers, policy: fixedPolicy(policy) });
        const request = supertest(app)
          [each.method.toLowerCase() as "get"](each.path)
          .set("Authorization", asUser(user));
        const { status } = await (each.method === "POST" ? request.send(content) : request);
        const isAllowed = expectedOf(user, each);
        const what = `${user} ${each.method} ${each.path}: ${status}`;
        if (isAllowed) expect(status, what).to.be.oneOf([200, 404]);
        else expect(status, what).to.equal(403);
        expect(explain(policy, { user, ...each }).isAllowed, what).to.equal(isAllowed);
      }
    });
  }

  it("refuses who has no rights with 403, and who is nobody with 401, whatever the path", async () => {
    const policy = fixedPolicy(await parsePolicy(policyText, "p"));
    const app = createApp({ repositories: new MemoryRepositories(), authenticator: namedUsers, policy });
    for (const path of ["/r/config", "/r/", "/r", "/r/nothing", "/", "/new2/config", "/new/a/b/c"]) {
      await supertest(app).get(path).set("Authorization", asUser("stranger")).expect(403);
      await supertest(app).get(path).expect(401);
    }
  });

  it("lets one who may manage make a repository, below the own name only", async () => {
    const policy = fixedPolicy(await parsePolicy(policyText, "p"));
    const app = createApp({ repositories: new MemoryRepositories(), authenticator: namedUsers, policy });
    const send = (path: string) => supertest(app).post(path).set("Authorization", asUser("new")).send("config");
    await send("/new/x/?create=true").expect(200);
    await send("/new/x/config").expect(200);
    await send("/other/?create=true").expect(403);
    await send("/New/?create=true").expect(403);
  });

  it("keeps nothing but locks for one who may only read", async () => {
    const policy = fixedPolicy(await parsePolicy(policyText, "p"));
    const repositories = new MemoryRepositories();
    const app = createApp({ repositories, authenticator: namedUsers, policy });
    const large = "x".repeat(65_537);
    const send = (user: string, path: string, body: string) =>
      supertest(app).post(path).set("Authorization", asUser(user)).send(body);
    await send("ro", `/r/locks/${sha256(large)}`, large).expect(403);
    await send("ro", `/r/locks/${id}`, content).expect(200);
    await send("ao", `/r/locks/${sha256(large)}`, large).expect(200);
    for (const type of objectTypes) await send("ro", `/r/${type}/${id}`, content).expect(403);
  });

  it("counts from the address of the client", async () => {
    const text = (range: string) => `rules: [{users: "*", repositories: "**", access: full, addresses: ["${range}"]}]`;
    for (const [range, status] of [
      ["127.0.0.0/8", 404],
      ["192.0.2.0/24", 403],
    ] as const) {
      const policy = fixedPolicy(await parsePolicy(text(range), "p"));
      const app = createApp({ repositories: new MemoryRepositories(), authenticator: namedUsers, policy });
      // Bound by name, so that the client comes over IPv4.
      const server = createServer(app).listen(0, "127.0.0.1");
      await supertest(server).get("/config").set("Authorization", asUser("alice")).expect(status);
      server.close();
    }
  });
});

interface Touch {
  readonly folders: readonly string[];
  readonly operation: Operation;
}

/** Everything exists, and every use is written down. */
function recordingRepositories(touches: Touch[]): Repositories {
  const at = (folders: readonly string[]): Storage => {
    const note = (operation: Operation): void => void touches.push({ folders, operation });
    return {
      create: async () => note({ action: "create" }),
      list: async function* (type) {
        note({ action: "list", type });
        yield [];
      },
      stat: async ({ type }) => {
        note({ action: "stat", type });
        return 1;
      },
      read: async ({ type }) => {
        note({ action: "read", type });
        return {
          totalBytes: 1,
          offsetBytes: 0,
          lengthBytes: 1,
          async *chunks() {
            yield new Uint8Array(1);
          },
          close: async () => undefined,
        };
      },
      put: async ({ type }, body) => {
        note({ action: "store", type });
        for await (const _chunk of body);
      },
      remove: async ({ type }) => note({ action: "remove", type }),
    };
  };
  return { at };
}

/** One character, as it is or escaped in one of the two ways. */
function spelledCharacter(character: string): fc.Arbitrary<string> {
  const hex = character.charCodeAt(0).toString(16).padStart(2, "0");
  return fc.constantFrom(character, character, character, `%${hex}`, `%${hex.toUpperCase()}`);
}

function spelled(word: string): fc.Arbitrary<string> {
  const beginning = Array.from(word.slice(0, 6), spelledCharacter);
  return fc.tuple(...beginning).map((start) => start.join("") + word.slice(6));
}

const folderWords = fc
  .constantFrom(...folderNames, ...folderNames, "..", ".", "", "ALICE", "data", "config")
  .chain(spelled);
const separators = fc.constantFrom("/", "/", "/", "/", "//", "%2f", "/./", "/../");
const tails = fc.constantFrom(
  "config",
  `data/${id}`,
  `locks/${id}`,
  `keys/${id}`,
  "data/",
  "snapshots/",
  "",
  "x",
  "config/",
);

const spelledPaths = fc
  .tuple(fc.array(fc.tuple(separators, folderWords), { maxLength: 3 }), separators, tails.chain(spelled))
  .chain(([folders, separator, tail]) => {
    const path = `/${[...folders.flat(), separator, tail].join("").slice(1)}`;
    return fc.constantFrom("", "?create=true").map((query) => path + query);
  });

describe("spellings of paths", function () {
  this.timeout(60_000);
  let touches: Touch[];
  let served: ServedApp;
  let policy = policyOf([]);

  before(async () => {
    touches = [];
    const repositories: Repositories = { at: (folders) => recordingRepositories(touches).at(folders) };
    served = await serveApp({ repositories, authenticator: namedUsers, policy: { current: () => policy } });
  });

  after(() => served.stop());

  it("never reach more than was granted, also when redirects are followed", async () => {
    let reached = 0;
    const methods = fc.constantFrom("GET", "HEAD", "POST", "DELETE");
    const users = fc.constantFrom(...userNames);
    await fc.assert(
      fc.asyncProperty(plainRules, users, methods, spelledPaths, async (rules, user, method, path) => {
        policy = policyOf(rules);
        touches = [];
        const settings = { headers: { authorization: asUser(user) }, ...(method === "POST" ? { body: content } : {}) };
        const reply = await served.client.send(method, path, settings);
        const { location } = reply.headers;
        if (location !== undefined) await served.client.send(method, location, settings);
        reached += touches.length;
        for (const touch of touches) {
          const question = { ...touch, user, address: "127.0.0.1" };
          expect(twinAllows(rules, question), `${method} ${path} as ${user}`).to.equal(true);
        }
      }),
      { numRuns: 3000 },
    );
    expect(reached, "some requests have to get through, or nothing was tried").to.be.greaterThan(50);
  });
});
