// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// A small ray tracer in checked fixed-point integers: rays from a pinhole camera meet spheres, are shaded by one
/// light and reflected a few times. It stands for compiled Solidity that is heavy in integers, memory structs and
/// internal calls.
contract Spheres {
    // One unit is 10^6, so products of two lengths fit in 256 bits many times over.
    int256 private constant UNIT = 1e6;
    int256 private constant FAR = 1e12;

    struct Vector {
        int256 x;
        int256 y;
        int256 z;
    }

    struct Sphere {
        Vector centre;
        int256 radius;
        int256 shine;
        Vector colour;
    }

    /// Renders `width` x `height` pixels and returns a checksum of their colours.
    function render(uint256 width, uint256 height, uint256 bounces) external pure returns (bytes32 checksum) {
        Sphere[] memory scene = makeScene();
        for (uint256 row = 0; row < height; row++) {
            for (uint256 column = 0; column < width; column++) {
                Vector memory direction = unit(
                    Vector(
                        (2 * int256(column) - int256(width)) * UNIT / int256(width),
                        (int256(height) - 2 * int256(row)) * UNIT / int256(height),
                        2 * UNIT
                    )
                );
                Vector memory colour = trace(scene, Vector(0, UNIT / 2, -4 * UNIT), direction, bounces);
                uint256 pixel = uint256((clamp(colour.x) << 16) | (clamp(colour.y) << 8) | clamp(colour.z));
                unchecked {
                    checksum = bytes32(uint256(checksum) * 0x100000001b3 ^ pixel);
                }
            }
        }
    }

    function makeScene() private pure returns (Sphere[] memory scene) {
        scene = new Sphere[](5);
        scene[0] = Sphere(Vector(0, -1000 * UNIT, 0), 999 * UNIT, UNIT / 10, Vector(200, 200, 190));
        scene[1] = Sphere(Vector(-2 * UNIT, 0, 3 * UNIT), UNIT, UNIT / 2, Vector(220, 60, 50));
        scene[2] = Sphere(Vector(0, UNIT / 5, 4 * UNIT), 6 * UNIT / 5, UNIT / 3, Vector(60, 200, 80));
        scene[3] = Sphere(Vector(2 * UNIT, 0, 3 * UNIT), UNIT, UNIT / 4, Vector(70, 80, 220));
        scene[4] = Sphere(Vector(UNIT / 2, 2 * UNIT, 2 * UNIT), UNIT / 2, UNIT / 2, Vector(240, 220, 90));
    }

    function trace(Sphere[] memory scene, Vector memory origin, Vector memory direction, uint256 bounces)
        private
        pure
        returns (Vector memory)
    {
        (uint256 hit, int256 distance) = nearest(scene, origin, direction);
        if (hit == scene.length) {
            int256 sky = (direction.y + UNIT) * 100 / UNIT;
            return Vector(sky, sky + 20, 230);
        }
        Sphere memory sphere = scene[hit];
        Vector memory point = add(origin, scale(direction, distance));
        Vector memory normal = unit(subtract(point, sphere.centre));
        Vector memory colour = scale(sphere.colour, light(scene, point, normal));
        if (bounces == 0) return colour;
        Vector memory mirrored = subtract(direction, scale(normal, 2 * dot(direction, normal)));
        Vector memory seen = trace(scene, add(point, scale(normal, UNIT / 1000)), mirrored, bounces - 1);
        return add(scale(colour, UNIT - sphere.shine), scale(seen, sphere.shine));
    }

    /// Brightness from 1/5 (in shadow) to 1 at a point of a surface.
    function light(Sphere[] memory scene, Vector memory point, Vector memory normal) private pure returns (int256) {
        Vector memory towards = unit(subtract(Vector(-4 * UNIT, 6 * UNIT, -3 * UNIT), point));
        int256 slope = dot(normal, towards);
        if (slope <= 0) return UNIT / 5;
        (uint256 hit,) = nearest(scene, add(point, scale(normal, UNIT / 1000)), towards);
        if (hit != scene.length) return UNIT / 5;
        return UNIT / 5 + slope * 4 / 5;
    }

    /// The first sphere that a ray meets and how far away, or the number of spheres if it meets none.
    function nearest(Sphere[] memory scene, Vector memory origin, Vector memory direction)
        private
        pure
        returns (uint256 hit, int256 distance)
    {
        hit = scene.length;
        distance = FAR;
        for (uint256 i = 0; i < scene.length; i++) {
            int256 candidate = meet(scene[i], origin, direction);
            if (candidate > 0 && candidate < distance) (hit, distance) = (i, candidate);
        }
    }

    /// The distance at which a ray enters a sphere, or 0 if it passes by.
    function meet(Sphere memory sphere, Vector memory origin, Vector memory direction) private pure returns (int256) {
        Vector memory offset = subtract(sphere.centre, origin);
        int256 along = dot(offset, direction);
        if (along <= 0) return 0;
        int256 discriminant = along * along - (offset.x * offset.x + offset.y * offset.y + offset.z * offset.z)
            + sphere.radius * sphere.radius;
        if (discriminant < 0) return 0;
        return along - squareRoot(discriminant);
    }

    function unit(Vector memory v) private pure returns (Vector memory) {
        int256 length = squareRoot(v.x * v.x + v.y * v.y + v.z * v.z);
        return Vector(v.x * UNIT / length, v.y * UNIT / length, v.z * UNIT / length);
    }

    function dot(Vector memory a, Vector memory b) private pure returns (int256) {
        return (a.x * b.x + a.y * b.y + a.z * b.z) / UNIT;
    }

    function add(Vector memory a, Vector memory b) private pure returns (Vector memory) {
        return Vector(a.x + b.x, a.y + b.y, a.z + b.z);
    }

    function subtract(Vector memory a, Vector memory b) private pure returns (Vector memory) {
        return Vector(a.x - b.x, a.y - b.y, a.z - b.z);
    }

    function scale(Vector memory v, int256 factor) private pure returns (Vector memory) {
        return Vector(v.x * factor / UNIT, v.y * factor / UNIT, v.z * factor / UNIT);
    }

    function clamp(int256 value) private pure returns (int256) {
        return value < 0 ? int256(0) : value > 255 ? int256(255) : value;
    }

    /// The largest integer whose square is at most `value`, by Newton's method from a power of two above it.
    function squareRoot(int256 value) private pure returns (int256 root) {
        if (value < 2) return value;
        root = 1;
        for (int256 rest = value; rest > 0; rest >>= 2) {
            root <<= 1;
        }
        while (true) {
            int256 next = (root + value / root) >> 1;
            if (next >= root) return root;
            root = next;
        }
    }
}
