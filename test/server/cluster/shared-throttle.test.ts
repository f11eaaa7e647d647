import { expect } from "chai";
import { type Admission, MemoryLoginThrottle } from "../../../server/auth/login-throttle.ts";
import { type LoginNews, SharedLoginThrottle } from "../../../server/cluster/shared-throttle.ts";

describe("throttles of several processes", () => {
  let nowMs: number;
  let news: LoginNews[];
  let throttles: SharedLoginThrottle[];

  beforeEach(() => {
    nowMs = 0;
    news = [];
    throttles = [];
    for (let i = 0; i < 3; i++) {
      const tell = (told: LoginNews): void => {
        news.push(told);
        for (const [other, throttle] of throttles.entries()) if (other !== i) throttle.learn(told);
      };
      throttles.push(new SharedLoginThrottle(new MemoryLoginThrottle(() => nowMs), tell));
    }
  });

  async function logIn(process: number, outcome: "right" | "wrong", user = "alice"): Promise<Admission> {
    const attempt = { user, clientAddress: "192.0.2.7" };
    const throttle = throttles[process];
    if (throttle === undefined) throw new Error(`there is no process ${process}`);
    const admission = await throttle.admit(attempt);
    if (admission.isAdmitted) await throttle.settle(attempt, outcome);
    return admission;
  }

  it("refuse after as many failures as a single one, wherever they were", async () => {
    let admitted = 0;
    for (let i = 0; i < 60; i++) if ((await logIn(i % 3, "wrong")).isAdmitted) admitted += 1;
    expect(admitted).to.equal(20);
    for (let i = 0; i < 3; i++) expect((await logIn(i, "right")).isAdmitted).to.equal(false);
  });

  it("forget everywhere what a right login forgets", async () => {
    for (let i = 0; i < 10; i++) await logIn(0, "wrong");
    await logIn(1, "right");
    for (let i = 0; i < 3; i++) expect(await logIn(i, "right")).to.deep.equal({ isAdmitted: true, delayMs: 0 });
  });

  it("know everywhere where a user has logged in", async () => {
    await logIn(0, "right");
    // Others behind the same address guess until the whole network is refused.
    for (let i = 0; i < 200; i++) await logIn(0, "wrong", `user${i}`);
    expect((await logIn(2, "wrong", "somebody")).isAdmitted).to.equal(false);
    expect((await logIn(2, "right")).isAdmitted).to.equal(true);
  });

  it("tell each other nothing of logins that are as before", async () => {
    await logIn(0, "right");
    expect(news).to.have.length(1);
    for (let i = 0; i < 9; i++) await logIn(i % 3, "right");
    expect(news).to.have.length(1);
    const attempt = { user: "alice", clientAddress: "192.0.2.7" };
    expect((await throttles[0]?.admit(attempt))?.isAdmitted).to.equal(true);
    await throttles[0]?.settle(attempt, "aborted");
    expect(news).to.have.length(1);
  });
});
