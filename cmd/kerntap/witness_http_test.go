package main

import (
	"errors"
	"io"
	"net/http"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// refusal is the status of an answer over HTTP, and in how many seconds to come again.
type refusal struct {
	status     int
	retryAfter string
}

func (r refusal) Error() string { return http.StatusText(r.status) }

// ServeHTTP takes over HTTP what Export takes over gRPC.
func (w *witness) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	answer, err := w.answerHTTP(r)
	refused := refusal{status: http.StatusBadRequest}
	if errors.As(err, &refused) && refused.retryAfter != "" {
		to.Header().Set("Retry-After", refused.retryAfter)
	}
	if err != nil {
		http.Error(to, err.Error(), refused.status)
		return
	}
	to.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = to.Write(answer)
}

func (w *witness) answerHTTP(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.URL.Path == "/v1/metrics" {
		request := pmetricotlp.NewExportRequest()
		if err := request.UnmarshalProto(body); err != nil {
			return nil, err
		}
		response, err := (&witnessOfMetrics{witness: w}).Export(r.Context(), request)
		if err != nil {
			return nil, err
		}
		return response.MarshalProto()
	}
	request := plogotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return nil, err
	}
	response, err := w.Export(r.Context(), request)
	if err != nil {
		return nil, err
	}
	return response.MarshalProto()
}
