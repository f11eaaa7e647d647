/** The parts of an OpenAPI document that are used here. */

export interface OpenApiResponse {
  readonly description: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  /** By media types. */
  readonly content?: Readonly<Record<string, unknown>>;
}

/** By statuses. */
export type OpenApiResponses = Readonly<Record<string, OpenApiResponse>>;

export interface OpenApiOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly responses: OpenApiResponses;
  readonly [member: string]: unknown;
}

/** The parameters of a path, and its operations by their methods. */
export interface OpenApiPath {
  readonly parameters?: readonly unknown[];
  readonly get?: OpenApiOperation;
  readonly head?: OpenApiOperation;
  readonly post?: OpenApiOperation;
  readonly delete?: OpenApiOperation;
}

export type OpenApiPaths = Readonly<Record<string, OpenApiPath>>;
