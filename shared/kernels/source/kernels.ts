// The module that Node and browsers load: no imports but the memory, no allocation, no threads.
export { callerOffset, expiryTable, macKeyOffset, reductionTable, tagOffset } from "./memory-map";
export { chunkerInit, chunkerScan } from "./rabin-scan";
export { poly1305, polyBegin, polyFinish, polyUpdate } from "./poly1305";
