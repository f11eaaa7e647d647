/** Logging in over HTTP: who guesses has to wait, and everybody is told what happened. */
import { expect } from "chai";
import supertest from "supertest";
import { createApp } from "../../../server/app.ts";
import type { Authenticator } from "../../../server/auth/authenticator.ts";
import {
  type Admission,
  type LoginAttempt,
  type LoginThrottle,
  MemoryLoginThrottle,
} from "../../../server/auth/login-throttle.ts";
import type { RefusedLogin } from "../../../server/observation/observer.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import { CofferError } from "../../../shared/errors.ts";

/** Admits as it is told, and remembers what came of it. */
class ScriptedThrottle implements LoginThrottle {
  readonly calls: unknown[] = [];
  admission: Admission = { isAdmitted: true, delayMs: 0 };

  async admit({ user, clientAddress }: LoginAttempt): Promise<Admission> {
    this.calls.push(["admit", user, clientAddress]);
    return this.admission;
  }

  async settle({ user }: LoginAttempt, outcome: string): Promise<void> {
    this.calls.push([outcome, user]);
  }
}

describe("logging in", () => {
  let asked: number;
  let refused: RefusedLogin[];
  let release: (() => void) | undefined;
  const authenticator: Authenticator = {
    authenticate: async ({ authorization }) => {
      asked += 1;
      if (authorization === `Basic ${btoa("busy:x")}`) throw new CofferError("limit-exceeded", "too many");
      if (release !== undefined) await new Promise<void>((resolve) => (release = resolve));
      return authorization === `Basic ${btoa("alice:right")}` ? "alice" : undefined;
    },
  };

  function appWith(loginThrottle: LoginThrottle): ReturnType<typeof createApp> {
    asked = 0;
    refused = [];
    release = undefined;
    return createApp({
      repositories: new MemoryRepositories(),
      authenticator,
      loginThrottle,
      observers: [{ loginRefused: (login) => refused.push(login) }],
    });
  }

  it("counts what came of every attempt, and leaves alone who has no credentials", async () => {
    const throttle = new ScriptedThrottle();
    const app = appWith(throttle);
    await supertest(app).get("/config").auth("alice", "right").expect(404);
    await supertest(app).get("/config").auth("alice", "wrong").expect(401);
    await supertest(app).get("/config").auth("busy", "x").expect(503);
    await supertest(app).get("/config").expect(401);
    const calls = throttle.calls.map((call) => (call as string[]).slice(0, 2));
    expect(calls).to.deep.equal([
      ["admit", "alice"],
      ["right", "alice"],
      ["admit", "alice"],
      ["wrong", "alice"],
      ["admit", "busy"],
      ["aborted", "busy"],
    ]);
    expect(refused.map(({ action, user, status }) => [action, user, status])).to.deep.equal([
      ["login-failed", "alice", 401],
    ]);
    expect(refused[0]?.clientAddress).to.match(/^(?:127\.0\.0\.1|::1)$/);
  });

  it("refuses with 429, which clients repeat, and does not look at the password", async () => {
    const throttle = new ScriptedThrottle();
    const app = appWith(throttle);
    throttle.admission = { isAdmitted: false, retryAfterMs: 29_001 };
    const reply = await supertest(app).get("/config").auth("alice", "right").expect(429);
    expect(reply.headers["retry-after"]).to.equal("30");
    expect(reply.text).to.equal("Too Many Requests\n");
    expect(asked).to.equal(0);
    expect(throttle.calls).to.have.length(1);
    expect(refused.map(({ action, user, status }) => [action, user, status])).to.deep.equal([
      ["login-throttled", "alice", 429],
    ]);
  });

  it("waits before it looks at the password", async () => {
    const throttle = new ScriptedThrottle();
    const app = appWith(throttle);
    throttle.admission = { isAdmitted: true, delayMs: 50 };
    const began = performance.now();
    await supertest(app).get("/config").auth("alice", "right").expect(404);
    expect(performance.now() - began).to.be.at.least(49);
  });

  it("takes the same credentials over several connections for one attempt", async () => {
    const throttle = new ScriptedThrottle();
    const app = appWith(throttle);
    release = () => undefined;
    const server = app.listen(0, "127.0.0.1");
    try {
      const replies = Promise.all(
        Array.from({ length: 20 }, () =>
          supertest(server)
            .get("/config")
            .auth("alice", "right")
            .then((reply) => reply.status),
        ),
      );
      let isDone = false;
      void replies.then(() => {
        isDone = true;
      });
      // Those who come after the first answer make an attempt of their own.
      while (!isDone) {
        release();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(await replies).to.deep.equal(Array<number>(20).fill(404));
      const admitted = throttle.calls.filter((call) => (call as string[])[0] === "admit");
      expect(admitted).to.have.length(asked);
    } finally {
      server.close();
    }
  });

  it("lets forty connections of a client in at once", async () => {
    const app = appWith(new MemoryLoginThrottle());
    const server = app.listen(0, "127.0.0.1");
    try {
      const replies = await Promise.all(
        Array.from({ length: 40 }, () => supertest(server).get("/config").auth("alice", "right")),
      );
      for (const reply of replies) expect(reply.status).to.equal(404);
    } finally {
      server.close();
    }
  });

  it("answers unknown users and wrong passwords alike, also when it slows them down", async function () {
    this.timeout(60_000);
    const statuses = async (user: string): Promise<number[]> => {
      const app = appWith(new MemoryLoginThrottle(() => 0));
      const all: number[] = [];
      const attempts = Array.from({ length: 24 }, (_, i) => supertest(app).get("/config").auth(user, `wrong ${i}`));
      for (const reply of await Promise.all(attempts)) all.push(reply.status);
      return all.sort();
    };
    const [known, unknown] = await Promise.all([statuses("alice"), statuses("nobody")]);
    expect(known).to.deep.equal([...Array<number>(20).fill(401), ...Array<number>(4).fill(429)]);
    expect(unknown).to.deep.equal(known);
  });
});
