// The module that Node and browsers load: no imports but the memory, no allocation, no threads.
export { callerOffset, macKeyOffset, tagOffset } from "./memory-map";
export { chunkerInit, chunkerScan } from "./rabin-scan";
export { poly1305, polyBegin, polyFinish, polyUpdate } from "./poly1305";
