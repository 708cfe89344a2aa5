package riverrun.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;

/** A flight as received, with the two fields that something is looked up by: a tree of all of them would be made for nothing. */
record Flight(byte[] json, String carrier, String origin) {
    private static final JsonFactory JSON = new JsonFactory();

    static Flight parse(byte[] json) {
        String carrier = "";
        String origin = "";
        int missing = 2;
        try (JsonParser parser = JSON.createParser(json)) {
            while (missing > 0 && parser.nextToken() != null) {
                if (parser.currentToken() != JsonToken.VALUE_STRING) {
                    continue;
                }
                switch (parser.currentName()) {
                    case "carrier" -> {
                        carrier = parser.getText();
                        missing--;
                    }
                    case "origin" -> {
                        origin = parser.getText();
                        missing--;
                    }
                    default -> {}
                }
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return new Flight(json, carrier, origin);
    }
}
