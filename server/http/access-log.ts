/** The access log: one line for each answer, in Apache's combined format or as JSON. */
import type { FinishedRequest, Observer } from "../observation/observer.ts";
import { bareField, jsonLine, quoted } from "./log-text.ts";

export interface AccessLog {
  /** Takes one line with its line break. Must not throw. */
  write(line: string): void;
}

export type AccessLogFormat = "combined" | "json";

/** Writes a line when an answer was sent or its client is gone. */
export function accessLogObserver(accessLog: AccessLog, format: AccessLogFormat = "combined"): Observer {
  const formatLine = format === "json" ? jsonOf : combinedOf;
  return { requestEnded: (request) => accessLog.write(formatLine(request)) };
}

function combinedOf(request: FinishedRequest): string {
  const { clientAddress, user, began, method, target, httpVersion, status, sentBytes, referer, userAgent } = request;
  const line = quoted(`${method} ${target} HTTP/${httpVersion}`);
  return `${clientAddress} - ${bareField(user)} [${formatTime(began)}] ${line} ${status} ${sentBytes} ${quoted(referer)} ${quoted(userAgent)}\n`;
}

function jsonOf(request: FinishedRequest): string {
  return jsonLine({
    time: request.began.toISOString(),
    address: request.clientAddress,
    peer: request.peerAddress,
    user: request.user,
    method: request.method,
    target: request.target,
    protocol: `HTTP/${request.httpVersion}`,
    status: request.status,
    bytes: request.sentBytes,
    durationMs: Math.round(request.durationMs * 1000) / 1000,
    referer: request.referer ?? "",
    userAgent: request.userAgent ?? "",
  });
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "02/Jan/2006:15:04:05 -0700", in local time. */
function formatTime(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const eastMinutes = -time.getTimezoneOffset();
  const east = Math.abs(eastMinutes);
  const zone = `${eastMinutes < 0 ? "-" : "+"}${two(Math.floor(east / 60))}${two(east % 60)}`;
  const date = `${two(time.getDate())}/${months[time.getMonth()]}/${time.getFullYear()}`;
  return `${date}:${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())} ${zone}`;
}
