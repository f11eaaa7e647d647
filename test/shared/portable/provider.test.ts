import { createPortableProvider } from "../../../shared/portable/provider.ts";
import { describeProvider } from "../../conformance/provider.ts";

describeProvider("portable", createPortableProvider);
