/** The shapes of JSON that the server answers with. */

const sizes = { type: "integer", minimum: 0 };

export const schemas: Readonly<Record<string, unknown>> = {
  ObjectId: {
    type: "string",
    pattern: "^[0-9a-f]{64}$",
    description: "The SHA-256 of the object's content",
  },
  ListV1: { type: "array", items: { $ref: "#/components/schemas/ObjectId" } },
  ListV2: {
    type: "array",
    items: {
      type: "object",
      required: ["name", "size"],
      properties: { name: { $ref: "#/components/schemas/ObjectId" }, size: sizes },
    },
  },
  BatchResults: {
    type: "object",
    required: ["results"],
    properties: {
      results: {
        type: "array",
        items: {
          type: "object",
          required: ["name", "status"],
          properties: {
            name: { type: "string", description: "TYPE/ID, as the field was named" },
            status: { type: "integer", description: "As a single upload would be answered" },
            error: { type: "string" },
          },
        },
      },
    },
  },
  Liveness: {
    type: "object",
    required: ["status"],
    properties: { status: { const: "alive" } },
  },
  Readiness: {
    type: "object",
    required: ["status"],
    properties: {
      status: { enum: ["ready", "not-ready"] },
      storage: { enum: ["ok", "failed"], description: "Whether a small file could be stored" },
      space: { enum: ["ok", "low", "unknown"], description: "Whether as much is free as --min-free-space demands" },
    },
  },
  Capabilities: {
    type: "object",
    required: ["server", "version", "protocolVersions", "capabilities", "limits"],
    properties: {
      server: { const: "coffer-server" },
      version: { type: "string" },
      protocolVersions: { type: "array", items: { type: "integer" } },
      capabilities: { type: "array", items: { type: "string" }, uniqueItems: true },
      limits: { type: "object", additionalProperties: { type: "number" } },
    },
  },
};
