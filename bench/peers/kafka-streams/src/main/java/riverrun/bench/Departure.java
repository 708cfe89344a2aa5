package riverrun.bench;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** A flight and what was found for it, as JSON text each; written by putting the texts together. */
record Departure(Flight flight, byte[] plane, byte[] airline, byte[] weather) {
    private static final byte[] PLANE = text(",\"snapshot\":{\"plane\":");
    private static final byte[] AIRLINE = text(",\"airline\":");
    private static final byte[] WEATHER = text(",\"weather\":");
    private static final byte[] END = text("}}");
    private static final byte[] NULL = text("null");

    Departure(Flight flight, byte[] plane) {
        this(flight, plane, null, null);
    }

    Departure withAirline(byte[] airline) {
        return new Departure(flight, plane, airline, weather);
    }

    Departure withWeather(byte[] weather) {
        return new Departure(flight, plane, airline, weather);
    }

    byte[] json() {
        byte[][] parts = {PLANE, given(plane), AIRLINE, given(airline), WEATHER, given(weather), END};
        // The flight without its closing brace.
        int flightBytes = flight.json().length - 1;
        int length = flightBytes;
        for (byte[] part : parts) {
            length += part.length;
        }
        ByteBuffer json = ByteBuffer.allocate(length).put(flight.json(), 0, flightBytes);
        for (byte[] part : parts) {
            json.put(part);
        }
        return json.array();
    }

    private static byte[] given(byte[] found) {
        return found == null ? NULL : found;
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
