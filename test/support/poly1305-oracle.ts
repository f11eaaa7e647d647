/** Poly1305 as RFC 8439 states it, on big integers: the slow and obvious twin. */

export function naivePoly1305(message: Uint8Array, r: Uint8Array, s: Uint8Array): Uint8Array {
  const prime = 2n ** 130n - 5n;
  const multiplier = littleEndian(r) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let start = 0; start < message.length; start += 16) {
    const block = message.subarray(start, start + 16);
    sum = ((sum + littleEndian(block) + 2n ** BigInt(8 * block.length)) * multiplier) % prime;
  }
  let tag = (sum + littleEndian(s)) % 2n ** 128n;
  return Uint8Array.from({ length: 16 }, () => {
    const byte = Number(tag & 255n);
    tag >>= 8n;
    return byte;
  });
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
}
