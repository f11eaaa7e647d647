import { MemoryRepositories } from "../../../server/storage/memory.ts";
import { describeStorage } from "../../conformance/storage.ts";

describeStorage("MemoryRepositories", { open: async () => new MemoryRepositories() });
