export { proxyAbort } from './abort';
export { bufferLength, getBuffer, getBufferInto, setBuffer } from './buffers';
export { Context, RootContext, StreamContext } from './context';
export { registerRoot } from './dispatch';
export { callForeign } from './foreign';
export { addHeader, getHeader, getHeaderPairs, headerMapBytes, removeHeader, replaceHeader, setHeaderPairs } from './headers';
export { httpCall, httpCallToken } from './http';
export { log, logBytes, logEnabled } from './log';
export { copyResult, freeResult, landAt, MAX_RESULT_BYTES, resultLength, resultPtr, resultText } from './memory';
export { defineMetric, incrementMetric, metricValue, NO_METRIC, recordMetric } from './metrics';
export { HeaderPairs, PairsReader } from './pairs';
export { getProperty, propertyPath, setProperty } from './properties';
export { dequeue, enqueue, registerQueue, resolveQueue } from './queues';
export { getShared, setShared, sharedCas } from './shared-data';
export { isAbsent, isRefused, Status } from './status';
export {
  callStatusCode,
  closeStream,
  continueStream,
  done,
  getCallStatus,
  sendLocalResponse,
  setEffectiveContext,
} from './stream';
export { nowNanoseconds, setTickPeriod } from './time';
export { BodyStatus, Buffer, Direction, HeaderMap, HeadersStatus, LogLevel, MetricKind, TrailersStatus } from './types';
export { Utf8 } from './utf8';
