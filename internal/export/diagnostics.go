package export

import (
	"log/slog"

	"go.opentelemetry.io/otel"
)

// RouteSDKErrors sends what goes wrong inside the OpenTelemetry SDK to log. The SDK has one error handler for the whole
// process, so main calls this, once; without it such errors go to the standard library's logger.
func RouteSDKErrors(log *slog.Logger) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("telemetry is incomplete", "error", err)
	}))
}
