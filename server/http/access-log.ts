/** The access log in Apache's combined format. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { RequestHandler } from "express";

export interface AccessLog {
  /** Takes one line with its line break. Must not throw. */
  write(line: string): void;
}

/** Stands for an answer that was never given, because the client had gone. No client ever sees it. */
const clientClosed = 499;

/** Writes one line for each answer, when it is sent or when its client is gone. */
export function logAccess(accessLog: AccessLog, now: () => Date = () => new Date()): RequestHandler {
  return (request, response, next) => {
    const began = now();
    const peer = request.socket.remoteAddress ?? "-";
    const sent = countBody(response);
    response.once("close", () => {
      const status = response.headersSent ? response.statusCode : clientClosed;
      accessLog.write(formatLine(peer, began, request, status, sent.bytes));
    });
    next();
  };
}

function countBody(response: ServerResponse): { bytes: number } {
  const sent = { bytes: 0 };
  const count = (chunk: unknown): void => {
    if (typeof chunk === "string") sent.bytes += Buffer.byteLength(chunk);
    else if (chunk instanceof Uint8Array) sent.bytes += chunk.length;
  };
  for (const method of ["write", "end"] as const) {
    const original = response[method].bind(response) as (...parameters: unknown[]) => unknown;
    Object.assign(response, {
      [method]: (...parameters: unknown[]) => {
        count(parameters[0]);
        return original(...parameters);
      },
    });
  }
  return sent;
}

function formatLine(peer: string, began: Date, request: IncomingMessage, status: number, bytes: number): string {
  const { referer, "user-agent": agent } = request.headers;
  const target = "originalUrl" in request ? String(request.originalUrl) : (request.url ?? "");
  const line = `${request.method} ${target} HTTP/${request.httpVersion}`;
  return `${peer} - - [${formatTime(began)}] ${quote(line)} ${status} ${bytes} ${quote(referer)} ${quote(agent)}\n`;
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

/** What clients send must not be able to end a field or a line. */
function quote(text: string | undefined): string {
  const escaped = (text ?? "").replaceAll(/["\\]/g, "\\$&").replaceAll(/[^\x20-\x7e]/g, escapeCharacter);
  return `"${escaped}"`;
}

function escapeCharacter(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
