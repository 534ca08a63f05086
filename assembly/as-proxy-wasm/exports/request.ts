// Everything of the request.
export { proxy_on_request_body } from './request-body';
export { proxy_on_request_headers } from './request-headers';
export { proxy_on_request_trailers } from './request-trailers';
